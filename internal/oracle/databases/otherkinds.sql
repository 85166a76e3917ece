-- Objects that application databases hold now and then: what lives beside
-- types, functions and tables.
CREATE SCHEMA o;
CREATE TYPE o.mood AS ENUM ('sad', 'ok');
CREATE TYPE o.pair AS (a int, b text);

-- Base types, with functions of their own; one that was never made.
CREATE TYPE o.announced;
CREATE TYPE o.base;
CREATE FUNCTION o.base_in(cstring) RETURNS o.base LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION o.base_out(o.base) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION o.base_recv(internal) RETURNS o.base LANGUAGE internal IMMUTABLE STRICT AS 'int4recv';
CREATE FUNCTION o.base_send(o.base) RETURNS bytea LANGUAGE internal IMMUTABLE STRICT AS 'int4send';
CREATE TYPE o.base (INPUT = o.base_in, OUTPUT = o.base_out, RECEIVE = o.base_recv, SEND = o.base_send,
  INTERNALLENGTH = 4, PASSEDBYVALUE, ALIGNMENT = int4, DEFAULT = '5', CATEGORY = 'N', PREFERRED = true, DELIMITER = '|');
COMMENT ON TYPE o.base IS 'a base type';
CREATE TYPE o.long;
CREATE FUNCTION o.long_in(cstring) RETURNS o.long LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION o.long_out(o.long) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE o.long (INPUT = o.long_in, OUTPUT = o.long_out, LIKE = text, COLLATABLE = true, STORAGE = external);
CREATE TYPE o.canon;
CREATE FUNCTION o.canonical(o.canon) RETURNS o.canon LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE o.canon AS RANGE (subtype = int, canonical = o.canonical);
CREATE TABLE o.holder (a o.base, b o.long, c o.canon);

-- Collations and conversions.
CREATE COLLATION o.phonebook (provider = icu, locale = 'de-u-co-phonebk');
CREATE COLLATION o.blind (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE COLLATION o.mixed (lc_collate = 'C', lc_ctype = 'POSIX');
CREATE COLLATION o.plain FROM "C";
COMMENT ON COLLATION o.blind IS 'case does not count';
ALTER COLLATION o.plain OWNER TO regress_pgcofre_owner;
CREATE DOMAIN o.name AS text COLLATE o.blind;
CREATE CONVERSION o.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
COMMENT ON CONVERSION o.latin IS 'as the built-in one';

-- Casts.
CREATE FUNCTION o.mood_number(o.mood) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE CAST (o.mood AS int) WITH FUNCTION o.mood_number(o.mood) AS ASSIGNMENT;
CREATE CAST (o.pair AS text) WITH INOUT;
CREATE CAST (text AS o.mood) WITH INOUT AS IMPLICIT;
CREATE CAST (o.base AS int) WITHOUT FUNCTION;
CREATE CAST (box AS float8) WITH FUNCTION pg_catalog.area(box);
COMMENT ON CAST (text AS o.mood) IS 'out of laziness';

-- Operators with their classes.
CREATE FUNCTION o.equal(o.mood, int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION o.equal(int, o.mood) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR o.=== (FUNCTION = o.equal, LEFTARG = o.mood, RIGHTARG = int, COMMUTATOR = OPERATOR(o.===),
  NEGATOR = OPERATOR(o.!==), RESTRICT = eqsel, JOIN = eqjoinsel, HASHES, MERGES);
CREATE OPERATOR o.=== (FUNCTION = o.equal, LEFTARG = int, RIGHTARG = o.mood);
CREATE OPERATOR o.@@! (FUNCTION = o.mood_number, RIGHTARG = o.mood);
COMMENT ON OPERATOR o.@@! (NONE, o.mood) IS 'prefix';
ALTER OPERATOR o.=== (int, o.mood) OWNER TO regress_pgcofre_owner;
CREATE OPERATOR FAMILY o.family USING btree;
CREATE OPERATOR CLASS o.reversed FOR TYPE int USING btree FAMILY o.family AS
  OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int, int);
ALTER OPERATOR FAMILY o.family USING btree ADD OPERATOR 1 > (int8, int8), OPERATOR 3 = (int8, int8),
  FUNCTION 1 (int8, int8) btint8cmp(int8, int8);
CREATE OPERATOR CLASS o.nothing FOR TYPE text USING gist AS STORAGE text;
COMMENT ON OPERATOR CLASS o.reversed USING btree IS 'backwards';
COMMENT ON OPERATOR FAMILY o.family USING btree IS 'of one';
CREATE INDEX ON o.holder ((1) o.reversed);

-- Text search.
CREATE TEXT SEARCH PARSER o.parser (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
  HEADLINE = prsd_headline, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE o.template (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY o.words (TEMPLATE = pg_catalog.simple, STOPWORDS = english, ACCEPT = false);
CREATE TEXT SEARCH DICTIONARY o.own (TEMPLATE = o.template);
CREATE TEXT SEARCH CONFIGURATION o.portuguese (COPY = pg_catalog.portuguese);
ALTER TEXT SEARCH CONFIGURATION o.portuguese ALTER MAPPING FOR asciiword, word WITH o.words, portuguese_stem;
CREATE TEXT SEARCH CONFIGURATION o.empty (PARSER = o.parser);
COMMENT ON TEXT SEARCH PARSER o.parser IS 'a parser';
COMMENT ON TEXT SEARCH TEMPLATE o.template IS 'a template';
COMMENT ON TEXT SEARCH DICTIONARY o.words IS 'a dictionary';
COMMENT ON TEXT SEARCH CONFIGURATION o.portuguese IS 'a configuration';
ALTER TEXT SEARCH DICTIONARY o.words OWNER TO regress_pgcofre_owner;

-- Foreign data.
CREATE FOREIGN DATA WRAPPER "odd wrapper" OPTIONS (debug 'tr''ue', "X y" 'z');
COMMENT ON FOREIGN DATA WRAPPER "odd wrapper" IS 'does nothing';
GRANT USAGE ON FOREIGN DATA WRAPPER "odd wrapper" TO regress_pgcofre_reader;
CREATE SERVER "Server 1" TYPE 't''' VERSION '1.0' FOREIGN DATA WRAPPER "odd wrapper" OPTIONS (host 'h', dbname 'd');
COMMENT ON SERVER "Server 1" IS 'far away';
GRANT USAGE ON FOREIGN SERVER "Server 1" TO regress_pgcofre_reader WITH GRANT OPTION;
CREATE USER MAPPING FOR regress_pgcofre_owner SERVER "Server 1" OPTIONS ("user" 'u', password 'p''w\d');
CREATE USER MAPPING FOR PUBLIC SERVER "Server 1";
CREATE FOREIGN TABLE o.remote (a int OPTIONS (column_name 'b'), b text NOT NULL) SERVER "Server 1" OPTIONS (table_name 't');

-- Languages, transforms, access methods.
CREATE FUNCTION o.handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE FUNCTION o.inline(internal) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_inline_handler';
CREATE FUNCTION o.validator(oid) RETURNS void LANGUAGE c STRICT AS '$libdir/plpgsql', 'plpgsql_validator';
CREATE TRUSTED LANGUAGE own HANDLER o.handler INLINE o.inline VALIDATOR o.validator;
COMMENT ON LANGUAGE own IS 'plpgsql by another name';
GRANT USAGE ON LANGUAGE own TO regress_pgcofre_reader;
REVOKE USAGE ON LANGUAGE own FROM PUBLIC;
CREATE FUNCTION o.in_own() RETURNS int LANGUAGE own AS 'BEGIN RETURN 1; END';
CREATE FUNCTION o.from_sql(internal) RETURNS internal LANGUAGE internal IMMUTABLE STRICT AS 'prsd_lextype';
CREATE TRANSFORM FOR o.pair LANGUAGE own (FROM SQL WITH FUNCTION o.from_sql(internal));
CREATE FUNCTION o.transformed(o.pair) RETURNS int LANGUAGE own TRANSFORM FOR TYPE o.pair AS 'BEGIN RETURN 1; END';
COMMENT ON TRANSFORM FOR o.pair LANGUAGE own IS 'a transform';
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
COMMENT ON ACCESS METHOD heap2 IS 'heap by another name';
CREATE TABLE o.in_heap2 (a int) USING heap2;

-- Event triggers.
CREATE FUNCTION o.event() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER "Odd trigger" ON ddl_command_end WHEN TAG IN ('CREATE RULE', 'DROP RULE') EXECUTE FUNCTION o.event();
COMMENT ON EVENT TRIGGER "Odd trigger" IS 'rarely fires';
CREATE EVENT TRIGGER off ON sql_drop EXECUTE FUNCTION o.event();
ALTER EVENT TRIGGER off DISABLE;
CREATE EVENT TRIGGER always ON table_rewrite EXECUTE FUNCTION o.event();
ALTER EVENT TRIGGER always ENABLE ALWAYS;
