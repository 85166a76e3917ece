-- Extensions that come with the server, in schemas, used by tables.
CREATE SCHEMA extensions;
CREATE SCHEMA "Other Ext";
CREATE EXTENSION hstore WITH SCHEMA extensions;
CREATE EXTENSION citext WITH SCHEMA "Other Ext";
CREATE EXTENSION pg_trgm;
CREATE EXTENSION ltree WITH SCHEMA extensions;
CREATE EXTENSION "uuid-ossp" WITH SCHEMA extensions;
CREATE EXTENSION cube WITH SCHEMA extensions;
CREATE EXTENSION earthdistance WITH SCHEMA extensions;
CREATE EXTENSION unaccent;
CREATE TABLE public.users (
    id uuid DEFAULT extensions.uuid_generate_v4() PRIMARY KEY,
    email "Other Ext".citext UNIQUE,
    attributes extensions.hstore DEFAULT '"a"=>"1"',
    path extensions.ltree,
    place extensions.cube
);
INSERT INTO public.users VALUES ('00000000-0000-0000-0000-000000000001', 'A@x.org', '"it''s"=>NULL, "b\\"=>"c\""', 'a.b', '(1,2,3)');
CREATE INDEX users_email ON public.users USING gin (email gin_trgm_ops);
CREATE INDEX users_path ON public.users USING gist (path, attributes);
CREATE TYPE public.with_extension AS (h extensions.hstore, c "Other Ext".citext);
CREATE FUNCTION public.plain(t text DEFAULT public.unaccent('ação')) RETURNS "Other Ext".citext LANGUAGE sql AS 'SELECT $1::"Other Ext".citext';
COMMENT ON EXTENSION hstore IS 'another comment';
GRANT EXECUTE ON FUNCTION extensions.hstore(text, text) TO regress_pgcofre_reader;
REVOKE EXECUTE ON FUNCTION public.unaccent(text) FROM PUBLIC;
GRANT USAGE ON TYPE extensions.hstore TO regress_pgcofre_writer;
DROP EXTENSION plpgsql;
