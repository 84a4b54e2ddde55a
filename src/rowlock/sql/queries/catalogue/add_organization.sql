-- A new organization, unless the slug is taken.
insert into rowlock.organizations (name, slug)
values (%(name)s, %(slug)s)
on conflict (slug) do nothing
returning organization_id, name, slug
