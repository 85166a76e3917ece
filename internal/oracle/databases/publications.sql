-- Publications.
CREATE SCHEMA s;
CREATE TABLE public.a (id int PRIMARY KEY, v text, w int);
CREATE TABLE s.b (id int PRIMARY KEY);
CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE PUBLICATION nothing;
CREATE PUBLICATION everything FOR ALL TABLES;
CREATE PUBLICATION some_tables FOR TABLE public.a, ONLY s.b, public.p WITH (publish = 'insert, delete', publish_via_partition_root = true);
ALTER PUBLICATION some_tables OWNER TO regress_pgcofre_super;
COMMENT ON PUBLICATION some_tables IS 'a publication';
CREATE PUBLICATION silent FOR TABLE s.b WITH (publish = '');
--@ 15+
CREATE PUBLICATION filtered FOR TABLE public.a (id, v) WHERE (id > 5 AND v <> 'it''s'), TABLE s.b WHERE (id = 1);
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA s, public, TABLE public.p;
--@ 18+
CREATE TABLE public.g (id int PRIMARY KEY, d int GENERATED ALWAYS AS (id * 2) STORED);
CREATE PUBLICATION generated FOR TABLE public.g WITH (publish_generated_columns = stored);
