-- Indexes of every kind and option, and extended statistics.
CREATE EXTENSION pg_trgm;
CREATE TABLE public.docs (id int, title text, body text, tags text[], data jsonb, place point, area box, span int4range, words tsvector, big bigint, ip inet);
INSERT INTO public.docs SELECT i, 'title ' || i, 'ação ' || i, ARRAY['a', i::text], jsonb_build_object('n', i), point(i, i), box(point(0, 0), point(i, i)), int4range(i, i + 5), to_tsvector('simple', 'word ' || i), i, '10.0.0.1' FROM generate_series(1, 300) AS i;
CREATE UNIQUE INDEX docs_id ON public.docs (id);
CREATE INDEX docs_mixed ON public.docs (title DESC NULLS LAST, id ASC NULLS FIRST, lower(body));
CREATE INDEX docs_expression ON public.docs ((title || ' ' || body), (data -> 'n'), length(title));
CREATE INDEX docs_partial ON public.docs (big) WHERE title LIKE 'it''s%' AND id > 5;
CREATE UNIQUE INDEX docs_covering ON public.docs (id) INCLUDE (title, big) WITH (fillfactor = 80, deduplicate_items = off);
CREATE INDEX docs_pattern ON public.docs (title text_pattern_ops, body COLLATE "POSIX");
CREATE INDEX docs_gin ON public.docs USING gin (tags, data jsonb_path_ops) WITH (fastupdate = off, gin_pending_list_limit = 64);
CREATE INDEX docs_trgm ON public.docs USING gist (title gist_trgm_ops (siglen = 32)) WITH (buffering = on);
CREATE INDEX docs_words ON public.docs USING gist (words tsvector_ops (siglen = 100));
CREATE INDEX docs_place ON public.docs USING spgist (place quad_point_ops);
CREATE INDEX docs_brin ON public.docs USING brin (big, id) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX docs_hash ON public.docs USING hash (title) WITH (fillfactor = 90);
CREATE INDEX docs_row ON public.docs ((docs.*));
CREATE INDEX docs_span ON public.docs USING gist (span, area);
ALTER INDEX public.docs_expression ALTER COLUMN 1 SET STATISTICS 50, ALTER COLUMN 3 SET STATISTICS 700;
ALTER TABLE public.docs CLUSTER ON docs_id;
COMMENT ON INDEX public.docs_gin IS 'an index';
CREATE STATISTICS public.docs_all ON id, title FROM public.docs;
CREATE STATISTICS public.docs_some (ndistinct, dependencies) ON id, big, title FROM public.docs;
CREATE STATISTICS public.docs_mcv (mcv) ON title, big FROM public.docs;
ALTER STATISTICS public.docs_mcv SET STATISTICS 100;
ALTER STATISTICS public.docs_mcv OWNER TO regress_pgcofre_owner;
COMMENT ON STATISTICS public.docs_all IS 'extended statistics';
CREATE MATERIALIZED VIEW public.summary AS SELECT id, title FROM public.docs;
CREATE UNIQUE INDEX summary_id ON public.summary (id);
ALTER MATERIALIZED VIEW public.summary CLUSTER ON summary_id;
CREATE STATISTICS public.summary_stats ON id, title FROM public.summary;
--@ 14+
CREATE INDEX docs_brin_multi ON public.docs USING brin (big int8_minmax_multi_ops (values_per_range = 16), ip inet_bloom_ops);
CREATE STATISTICS public.docs_expressions ON lower(title), (id % 10) FROM public.docs;
CREATE STATISTICS public.docs_expression_one ON (big * 2) FROM public.docs;
--@ 15+
CREATE UNIQUE INDEX docs_nulls ON public.docs (id, big) NULLS NOT DISTINCT;
