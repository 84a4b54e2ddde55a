-- Validates what 0009 added for shows that were there already: only a scan, while buyers go on.

alter table shows validate constraint chk_show_instants;
alter table shows validate constraint chk_show_image_url;
