-- Partitions of every kind, to several levels, in several schemas.
CREATE SCHEMA parts;
CREATE TABLE public.measures (id int NOT NULL, day date NOT NULL, v numeric DEFAULT 0) PARTITION BY RANGE (day);
DO $$
BEGIN
    FOR i IN 0..29 LOOP
        EXECUTE format('CREATE TABLE parts.measures_%s PARTITION OF public.measures FOR VALUES FROM (%L) TO (%L)', i, date '2024-01-01' + i, date '2024-01-02' + i);
    END LOOP;
END $$;
CREATE TABLE parts.measures_rest PARTITION OF public.measures DEFAULT;
INSERT INTO public.measures SELECT i, date '2024-01-01' + i % 31, i / 3.0 FROM generate_series(1, 70) AS i;
ALTER TABLE public.measures ADD CONSTRAINT measures_key PRIMARY KEY (id, day), ADD CHECK (v >= 0);
CREATE INDEX measures_v ON public.measures (v) INCLUDE (id);
CREATE INDEX measures_only ON ONLY public.measures (id);
CREATE INDEX measures_0_id ON parts.measures_0 (id);
ALTER INDEX public.measures_only ATTACH PARTITION parts.measures_0_id;
CREATE TABLE public.ranges (a int, b text, c int) PARTITION BY RANGE (a, b COLLATE "C", (c % 10));
CREATE TABLE public.ranges_low PARTITION OF public.ranges FOR VALUES FROM (MINVALUE, MINVALUE, MINVALUE) TO (0, 'm', 5);
CREATE TABLE public.ranges_high PARTITION OF public.ranges (c DEFAULT 9, CONSTRAINT high CHECK (c > 0)) FOR VALUES FROM (0, 'm', 5) TO (MAXVALUE, MAXVALUE, MAXVALUE) PARTITION BY LIST (b);
CREATE TABLE public.ranges_high_x PARTITION OF public.ranges_high FOR VALUES IN ('x', 'it''s', NULL) PARTITION BY HASH (a);
CREATE TABLE public.ranges_high_x_0 PARTITION OF public.ranges_high_x FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.ranges_high_x_1 (c int, b text, a int, d int);
ALTER TABLE public.ranges_high_x_1 DROP COLUMN d, ALTER c SET DEFAULT 9, ADD CONSTRAINT high CHECK (c > 0);
ALTER TABLE public.ranges_high_x ATTACH PARTITION public.ranges_high_x_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE UNLOGGED TABLE public.ranges_high_rest PARTITION OF public.ranges_high DEFAULT;
INSERT INTO public.ranges SELECT i - 5, (ARRAY['x', 'it''s', 'y', 'z'])[1 + i % 4], i FROM generate_series(1, 20) AS i;
CREATE TABLE public.targets (id int PRIMARY KEY, d int) PARTITION BY HASH (id);
CREATE TABLE public.targets_0 PARTITION OF public.targets FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.targets_1 PARTITION OF public.targets FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.sources (id int, target int REFERENCES public.targets ON DELETE CASCADE) PARTITION BY LIST (id);
CREATE TABLE public.sources_1 PARTITION OF public.sources FOR VALUES IN (1, 2, 3);
INSERT INTO public.targets SELECT i, i FROM generate_series(1, 10) AS i;
INSERT INTO public.sources VALUES (1, 1), (2, NULL), (3, 9);
CREATE TABLE public.childless (a int) PARTITION BY RANGE (a);
CREATE TABLE public.keyless (a int UNIQUE) PARTITION BY LIST (a);
CREATE TABLE public.bools (b bool) PARTITION BY LIST (b);
CREATE TABLE public.bools_t PARTITION OF public.bools FOR VALUES IN (true);
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch AFTER INSERT ON public.measures FOR EACH ROW EXECUTE FUNCTION public.touch();
ALTER TABLE parts.measures_1 DISABLE TRIGGER touch;
COMMENT ON TABLE parts.measures_1 IS 'a partition';
COMMENT ON INDEX parts.measures_0_id IS 'an attached index';
ALTER TABLE parts.measures_2 ALTER v SET STATISTICS 5, ALTER v SET DEFAULT 2;
--@ 17+
CREATE TABLE public.identity (a int GENERATED ALWAYS AS IDENTITY, b int) PARTITION BY RANGE (b);
CREATE TABLE public.identity_1 PARTITION OF public.identity FOR VALUES FROM (0) TO (10);
INSERT INTO public.identity (b) VALUES (1), (2);
