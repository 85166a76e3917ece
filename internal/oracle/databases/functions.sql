-- Functions, procedures and aggregates of all kinds.
CREATE SCHEMA f;
CREATE TYPE f.pair AS (a int, b text);
CREATE FUNCTION f.sql_simple(int, int) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS 'SELECT $1 + $2';
CREATE FUNCTION f.named(a int, b text DEFAULT 'it''s', c int[] DEFAULT ARRAY[1, 2], d timestamptz DEFAULT now()) RETURNS text LANGUAGE sql STABLE AS $$ SELECT b $$;
CREATE FUNCTION f.outs(IN a int, OUT b int, INOUT c text) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$;
CREATE FUNCTION f.variadic_any(VARIADIC "any") RETURNS int LANGUAGE internal IMMUTABLE AS 'pg_num_nulls';
CREATE FUNCTION f.variadic_text(sep text, VARIADIC parts text[] DEFAULT '{}') RETURNS text LANGUAGE sql AS 'SELECT array_to_string(parts, sep)';
CREATE FUNCTION f.returns_table(n int) RETURNS TABLE (i int, "Odd name" text) LANGUAGE sql ROWS 50 COST 5 AS 'SELECT i, i::text FROM generate_series(1, n) i';
CREATE FUNCTION f.set_of() RETURNS SETOF f.pair LANGUAGE plpgsql STABLE COST 2.5 ROWS 3 SECURITY DEFINER LEAKPROOF PARALLEL RESTRICTED SET search_path = pg_catalog, "f" SET work_mem = '1MB' SET "my.var" = 'it''s' AS $body$
BEGIN
    RETURN QUERY SELECT 1, $$dollar$$ || $_$x$_$;
END
$body$;
CREATE FUNCTION f.from_current() RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS '';
CREATE FUNCTION f.supported(int, int) RETURNS SETOF int LANGUAGE internal IMMUTABLE STRICT ROWS 1000 SUPPORT generate_series_int4_support AS 'generate_series_int4';
CREATE FUNCTION f.windowed() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE AS 'window_row_number';
CREATE FUNCTION f.polymorphic(anyelement, anyarray) RETURNS anyarray LANGUAGE sql AS 'SELECT $2 || $1';
CREATE FUNCTION f.record() RETURNS record LANGUAGE sql AS 'SELECT 1, 2';
CREATE FUNCTION f.trigger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION f.overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION f.overloaded(text) RETURNS int LANGUAGE sql AS 'SELECT 2';
CREATE FUNCTION f.overloaded() RETURNS int LANGUAGE sql AS 'SELECT 3';
CREATE FUNCTION f.backslash() RETURNS text LANGUAGE sql AS E'SELECT E''\\\\x\\n''::text';
CREATE FUNCTION f.odd_types("char", char, varchar, bit, timestamp with time zone, interval, double precision, name) RETURNS bool LANGUAGE sql AS 'SELECT true';
CREATE PROCEDURE f.proc(IN a int, INOUT b text DEFAULT NULL) LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$ BEGIN COMMIT; END $$;
CREATE PROCEDURE f.sql_proc() LANGUAGE sql AS '';
CREATE FUNCTION f.invalid() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT x FROM no_such_table); END';
CREATE AGGREGATE f.total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE AGGREGATE f.partial(int) (SFUNC = int4_avg_accum, STYPE = bigint[], COMBINEFUNC = int4_avg_combine, FINALFUNC = int8_avg, INITCOND = '{0,0}', SSPACE = 64, PARALLEL = SAFE);
CREATE AGGREGATE f.internal(bigint) (SFUNC = int8_avg_accum, STYPE = internal, SERIALFUNC = int8_avg_serialize, DESERIALFUNC = int8_avg_deserialize, COMBINEFUNC = int8_avg_combine, FINALFUNC = numeric_poly_avg, FINALFUNC_MODIFY = READ_ONLY, PARALLEL = RESTRICTED);
CREATE AGGREGATE f.moving(int) (SFUNC = int4_avg_accum, STYPE = bigint[], FINALFUNC = int8_avg, INITCOND = '{0,0}', MSFUNC = int4_avg_accum, MINVFUNC = int4_avg_accum_inv, MSTYPE = bigint[], MFINALFUNC = int8_avg, MINITCOND = '{0,0}', MSSPACE = 48);
CREATE AGGREGATE f.ordered_set(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE f.hypothetical(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, HYPOTHETICAL);
CREATE AGGREGATE f.smallest(int) (SFUNC = int4smaller, STYPE = int, SORTOP = <, COMBINEFUNC = int4smaller);
CREATE AGGREGATE f.counted(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
CREATE AGGREGATE f.two(float8, float8) (SFUNC = float8_regr_accum, STYPE = float8[], FINALFUNC = float8_corr, INITCOND = '{0,0,0,0,0,0}');
COMMENT ON AGGREGATE f.ordered_set(float8 ORDER BY anyelement) IS 'an ordered-set aggregate';
GRANT EXECUTE ON FUNCTION f.hypothetical(VARIADIC "any") TO regress_pgcofre_reader;
ALTER AGGREGATE f.counted(*) OWNER TO regress_pgcofre_owner;
ALTER FUNCTION f.named(int, text, int[], timestamptz) OWNER TO regress_pgcofre_owner;
CREATE TABLE public.uses (a int DEFAULT f.sql_simple(1, 2), b int GENERATED ALWAYS AS (f.sql_simple(1, 3)) STORED, CHECK (f.sql_simple(a, 0) > 0));
INSERT INTO public.uses DEFAULT VALUES;
CREATE INDEX uses_index ON public.uses (f.sql_simple(a, 1));
CREATE FUNCTION f.takes_table(public.uses) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1.a';
CREATE FUNCTION f.returns_type() RETURNS public.uses.a%TYPE LANGUAGE sql AS 'SELECT 1';
--@ 14+
CREATE FUNCTION f.atomic(a int, b int DEFAULT 2) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT a + b; SELECT f.sql_simple(a, b); END;
CREATE FUNCTION f.return_expression(a int) RETURNS int LANGUAGE sql IMMUTABLE RETURN a + 1;
CREATE FUNCTION f.atomic_table() RETURNS SETOF int LANGUAGE sql BEGIN ATOMIC SELECT a FROM public.uses WHERE b > 0 ORDER BY a; END;
CREATE PROCEDURE f.atomic_proc(x int) LANGUAGE sql BEGIN ATOMIC INSERT INTO public.uses (a) VALUES (x); DELETE FROM public.uses WHERE a = 99; END;
CREATE PROCEDURE f.proc_out(IN a int, OUT b int) LANGUAGE plpgsql AS $$ BEGIN b := a; END $$;
CREATE FUNCTION f.range_of(anyrange, anycompatible, anycompatiblemultirange) RETURNS anyrange LANGUAGE sql AS 'SELECT $1';
CREATE TABLE public.keyed (id int PRIMARY KEY, v text);
CREATE FUNCTION f.atomic_key() RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT v FROM public.keyed GROUP BY id; END;
CREATE VIEW public.over_atomic AS SELECT f.return_expression(1) AS x;
