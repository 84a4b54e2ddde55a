// Validates PDF files against veraPDF's profile of PDF/UA-1 (ISO 14289-1), with the JavaScript engine in the same archive.
// Prints `failed RULE: …` for each failed check of a file, then `file COMPLIANT RULES CHECKS NAME`.
//
// veraPDF would read its profile with JAXB, which the archive leaves out. So the profile is read here, from its XML.
var vera = Packages.org.verapdf, profiles = vera.pdfa.validation.profiles, ValueOf = profiles.Profiles;
vera.gf.foundry.VeraGreenfieldFoundryProvider.initialise();
var flavour = vera.pdfa.flavours.PDFAFlavour.fromString("ua1");
function children(node, name) {
  var found = [], all = node.getChildNodes();
  for (var i = 0; i < all.getLength(); i++) if (all.item(i).getNodeName() == name) found.push(all.item(i));
  return found;
}
function text(node, name) { var c = children(node, name); return c.length ? String(c[0].getTextContent()) : ""; }
function attr(node, name) { return node.hasAttribute(name) ? String(node.getAttribute(name)) : null; }
var stream = java.lang.Thread.currentThread().getContextClassLoader().getResourceAsStream("org/verapdf/pdfa/validation/PDFUA-1.xml");
var root = Packages.javax.xml.parsers.DocumentBuilderFactory.newInstance().newDocumentBuilder().parse(stream).getDocumentElement();
var rules = new java.util.HashSet(), variables = new java.util.HashSet();
children(children(root, "rules")[0], "rule").forEach(function (rule) {
  var id = children(rule, "id")[0], args = new java.util.ArrayList(), error = children(rule, "error")[0];
  children(children(error, "arguments")[0], "argument").forEach(function (a) {
    args.add(profiles.ErrorArgumentImpl.fromValues(String(a.getTextContent()), attr(a, "name"), null));
  });
  rules.add(ValueOf.ruleFromValues(
    ValueOf.ruleIdFromValues(vera.pdfa.flavours.PDFAFlavour.Specification.ISO_14289_1, attr(id, "clause"), parseInt(attr(id, "testNumber"))),
    attr(rule, "object"), attr(rule, "deferred") == null ? null : java.lang.Boolean.valueOf(attr(rule, "deferred")), attr(rule, "tags"),
    text(rule, "description"), text(rule, "test"), ValueOf.errorFromValues(text(error, "message"), args), new java.util.ArrayList()));
});
children(children(root, "variables")[0], "variable").forEach(function (v) {
  variables.add(ValueOf.variableFromValues(attr(v, "name"), attr(v, "object"), text(v, "defaultValue"), text(v, "value")));
});
var profile = ValueOf.profileFromValues(flavour, ValueOf.profileDetailsFromValues("PDF/UA-1", "", "", new java.util.Date()), "", rules, variables);
for (var f = 0; f < arguments.length; f++) {
  var validator = vera.pdfa.Foundries.defaultInstance().createValidator(profile, false);
  var result = validator.validate(vera.pdfa.Foundries.defaultInstance().createParser(new java.io.File(arguments[f]), flavour));
  var it = result.getTestAssertions().iterator();
  while (it.hasNext()) { var a = it.next(); print("failed " + a.getRuleId().getClause() + "-" + a.getRuleId().getTestNumber() + ": " + a.getMessage() + " " + a.getLocation().getContext()); }
  print("file " + result.isCompliant() + " " + rules.size() + " " + result.getTotalAssertions() + " " + arguments[f]);
}
