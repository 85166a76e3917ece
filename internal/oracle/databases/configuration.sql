-- An extension with configuration tables, initial privileges, and what a user
-- may change in an extension.
CREATE SCHEMA conf;
CREATE EXTENSION regress_pgcofre WITH SCHEMA conf;
INSERT INTO conf.settings VALUES ('mine', 'it''s', false), ('another', NULL, false);
INSERT INTO conf.everything VALUES (5, 'x');
INSERT INTO conf.unregistered VALUES (1);
SELECT nextval('conf.counter');
GRANT INSERT ON conf.settings TO regress_pgcofre_writer;
REVOKE SELECT ON conf.settings FROM PUBLIC;
GRANT EXECUTE ON FUNCTION conf.locked() TO regress_pgcofre_reader;
CREATE POLICY added ON conf.everything USING (id > 0);
CREATE TABLE public.uses_extension (m conf.mood DEFAULT 'calm', s text REFERENCES conf.settings (name));
INSERT INTO public.uses_extension VALUES ('wild', 'mine');
CREATE VIEW public.over_extension AS SELECT name FROM conf.settings WHERE NOT builtin;
