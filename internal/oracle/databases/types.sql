-- Types: enum, composite, domain, range, multirange, and what depends on them.
CREATE SCHEMA t;
CREATE TYPE t.mood AS ENUM ('sad', 'it''s', 'happy');
ALTER TYPE t.mood ADD VALUE 'calm' BEFORE 'happy';
COMMIT; -- a new value cannot be used before
ALTER TYPE t.mood RENAME VALUE 'sad' TO 'triste';
CREATE TYPE t.empty_enum AS ENUM ();
CREATE TYPE t.empty AS ();
CREATE TYPE t.point3 AS (x float8, y float8, z float8, label text COLLATE "C", moods t.mood[]);
CREATE TYPE t.nested AS (p t.point3, ps t.point3[], n numeric(5,2), v varchar(3));
ALTER TYPE t.nested DROP ATTRIBUTE v, ADD ATTRIBUTE w char(2);
CREATE DOMAIN t.positive AS int DEFAULT 5 CONSTRAINT above CHECK (VALUE > 0) CHECK (VALUE < 1000000);
CREATE DOMAIN t.code AS varchar(10) COLLATE "C" NOT NULL CHECK (VALUE ~ '^[A-Z]\d+$');
CREATE DOMAIN t.over_domain AS t.positive DEFAULT 8 CHECK (VALUE % 2 = 0);
CREATE DOMAIN t.domain_array AS t.positive[];
CREATE DOMAIN t.of_composite AS t.point3 CHECK ((VALUE).x >= 0);
CREATE DOMAIN t.unvalidated AS int;
CREATE TABLE t.holds_unvalidated (u t.unvalidated);
INSERT INTO t.holds_unvalidated VALUES (-1);
ALTER DOMAIN t.unvalidated ADD CONSTRAINT later CHECK (VALUE > 0) NOT VALID;
CREATE FUNCTION t.diff(a float8, b float8) RETURNS float8 LANGUAGE sql IMMUTABLE STRICT AS 'SELECT a - b';
CREATE TYPE t.floats AS RANGE (subtype = float8, subtype_diff = t.diff);
CREATE TYPE t.texts AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
CREATE TABLE t.holder (
    m t.mood DEFAULT 'happy', ms t.mood[] DEFAULT '{it''s,calm}', p t.point3, n t.nested, ns t.nested[], d t.positive, c t.code DEFAULT 'A1', o t.over_domain,
    da t.domain_array, oc t.of_composite, f t.floats, x t.texts, e t.empty
);
INSERT INTO t.holder (p, n, ns, d, da, oc, f, x, e) VALUES (
    ROW(1, 'NaN', '-Infinity', E'a "b" \\ , )', '{happy}')::t.point3, ROW(NULL, ARRAY[NULL, ROW(1, 2, 3, '', NULL)::t.point3], 1.5, 'x')::t.nested,
    ARRAY[ROW(NULL, NULL, NULL, NULL)::t.nested], 7, '{1,NULL,3}', ROW(0, 0, 0, NULL, NULL)::t.point3, '[1.5,2.5)', '["a b",)', ROW());
CREATE FUNCTION t.check_mood(t.mood) RETURNS bool LANGUAGE sql IMMUTABLE AS $$ SELECT $1 <> 'triste' $$;
CREATE DOMAIN t.checked AS t.mood CHECK (t.check_mood(VALUE));
CREATE TABLE t.row_type (a t.mood, b t.checked);
CREATE TYPE t.of_row AS (r t.row_type, rs t.row_type[]);
ALTER TYPE t.mood OWNER TO regress_pgcofre_owner;
ALTER TYPE t.point3 OWNER TO regress_pgcofre_owner;
ALTER DOMAIN t.code OWNER TO regress_pgcofre_owner;
CREATE TYPE t._mood_array_clash AS ENUM ('x');
CREATE TYPE t."_row_type" AS ENUM ('takes the name of an array type');
--@ 14+
CREATE TYPE t.named_multi AS RANGE (subtype = date, multirange_type_name = t.dates_multi);
CREATE TABLE t.multi (a t.dates_multi, b int4multirange, c t.named_multi);
INSERT INTO t.multi VALUES ('{[2024-01-01,2024-02-01), [2025-01-01,)}', '{[1,3), [5,9)}', 'empty');
--@ 17+
CREATE DOMAIN t.named_not_null AS int CONSTRAINT never_null NOT NULL;
