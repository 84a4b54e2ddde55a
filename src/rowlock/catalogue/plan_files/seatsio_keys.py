"""The members of a seats.io chart that `seatsio` knows, object by object, and the marks that it can only name."""

from rowlock.catalogue.plan_files.findings import Severity

CHART_KEYS = frozenset(
    {
        "name",
        "tablesLabelCounter",
        "uuidCounter",
        "categories",
        "zones",
        "rowSpacing",
        "rowChairSpacing",
        "colorScheme",
        "version",
        "venueType",
        "sectionScaleFactor",
        "showAllButtons",
        "referenceChartVisible",
        "subChart",
        "subChartFloors",
    }
)
CATEGORY_KEYS = frozenset({"key", "label", "color", "accessible"})
SUB_CHART_KEYS = frozenset(
    {
        "width",
        "height",
        "tables",
        "texts",
        "imageObjects",
        "rows",
        "shapes",
        "booths",
        "icons",
        "generalAdmissionAreas",
        "sections",
        "focalPoint",
        "backgroundImage",
        "referenceChart",
        "snapOffset",
        "floorName",
        "floorDisplayName",
    }
)
LABEL_KEYS = frozenset(
    {"label", "displayLabel", "displayObjectType", "sectionLabel", "sectionDisplayedLabel", "objectLabeling"}
)
OBJECT_KEYS = LABEL_KEYS | {
    "uuid",
    "objectType",
    "published",
    "rotationAngle",
    "categoryLabel",
    "categoryKey",
    "entrance",
}
SECTION_KEYS = OBJECT_KEYS | {
    "points",
    "zone",
    "labelSize",
    "labelShown",
    "labelHorizontalOffset",
    "labelVerticalOffset",
    "labelRotationAngle",
    "topLeft",
    "viewFromYourSeatImage",
    "subChart",
    "cutoffAngle",
}
ROW_KEYS = OBJECT_KEYS | {
    "rowLabelPosition",
    "rowLabelDisabled",
    "seatLabeling",
    "seats",
    "curve",
    "chairSpacing",
    "verticalRowLabelDirection",
    "points",
    "smooth",
    "smoothness",
}
TABLE_KEYS = OBJECT_KEYS | {
    "center",
    "radius",
    "autoRadius",
    "width",
    "height",
    "seats",
    "openSpaces",
    "seatLabeling",
    "type",
    "bookAsAWhole",
}
BOOTH_KEYS = OBJECT_KEYS | {"center", "width", "height"}
SEAT_KEYS = frozenset(
    {
        "x",
        "y",
        "label",
        "displayLabel",
        "categoryLabel",
        "categoryKey",
        "categoryAccessible",
        "restrictedView",
        "viewFromYourSeatImage",
        "accessible",
        "companionSeat",
        "semiAmbulatorySeat",
        "disabledBySocialDistancingRules",
        "entrance",
        "uuid",
        "published",
    }
)
NAMED_MARKS: tuple[tuple[str, Severity, str], ...] = (
    (
        "disabledBySocialDistancingRules",
        "warning",
        (
            "Not imported, because distance is a rule of one show: the seats are for sale. If they are to stay empty, "
            "block them in the show."
        ),
    ),
    (
        "restrictedView",
        "warning",
        "The mark is not imported. To tell buyers, give these seats a category of their own.",
    ),
    (
        "semiAmbulatorySeat",
        "warning",
        "The mark is not imported: these are ordinary seats. To tell buyers, give them a category of their own.",
    ),
    ("entrance", "info", "Entrances are not imported: tickets do not name them."),
    ("viewFromYourSeatImage", "info", "Pictures are not imported."),
)
"""Marks of an object that Rowlock has no place for, and what that means for its seats."""
