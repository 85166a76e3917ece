-- Constraints of every kind.
CREATE EXTENSION btree_gist;
CREATE TABLE public.parents (
    id int PRIMARY KEY, a int NOT NULL, b int NOT NULL, c text,
    CONSTRAINT pair UNIQUE (a, b) INCLUDE (c),
    CONSTRAINT later UNIQUE (c) DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT soon UNIQUE (b, a) DEFERRABLE,
    CONSTRAINT positive CHECK (id > 0 AND c <> 'it''s'),
    CONSTRAINT listed CHECK (c IN ('x', 'y') OR c IS NULL)
);
CREATE TABLE public.children (
    id int, a int, b int, p int REFERENCES public.parents ON UPDATE SET NULL ON DELETE SET DEFAULT DEFAULT 1,
    CONSTRAINT pair FOREIGN KEY (a, b) REFERENCES public.parents (a, b) MATCH FULL ON DELETE CASCADE ON UPDATE RESTRICT DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT self FOREIGN KEY (id) REFERENCES public.parents (id) DEFERRABLE
);
CREATE TABLE public.selfish (id int PRIMARY KEY, up int REFERENCES public.selfish);
CREATE TABLE public.chicken (id int PRIMARY KEY, egg int);
CREATE TABLE public.egg (id int PRIMARY KEY, chicken int REFERENCES public.chicken);
ALTER TABLE public.chicken ADD FOREIGN KEY (egg) REFERENCES public.egg DEFERRABLE INITIALLY DEFERRED;
INSERT INTO public.parents VALUES (1, 1, 1, 'x'), (2, 2, 2, 'y');
INSERT INTO public.children VALUES (1, 1, 1, 1), (2, NULL, NULL, 2);
INSERT INTO public.selfish VALUES (2, NULL), (1, 2);
INSERT INTO public.chicken VALUES (1, 1);
INSERT INTO public.egg VALUES (1, 1);
CREATE TABLE public.unchecked (a int, b int);
INSERT INTO public.unchecked VALUES (-1, 99);
ALTER TABLE public.unchecked ADD CONSTRAINT positive CHECK (a > 0) NOT VALID, ADD CONSTRAINT known FOREIGN KEY (b) REFERENCES public.parents NOT VALID;
CREATE TABLE public.rooms (room int, during tsrange, owner text,
    CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (owner <> 'nobody'),
    CONSTRAINT hashed EXCLUDE USING hash (owner WITH =) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO public.rooms VALUES (1, '[2024-01-01, 2024-01-02)', 'a'), (1, '[2024-01-02, 2024-01-03)', 'b');
CREATE TABLE public.options (a int, b int, PRIMARY KEY (a) WITH (fillfactor = 50), UNIQUE (b) WITH (fillfactor = 60));
CREATE TABLE public.by_index (a int NOT NULL, b int);
CREATE UNIQUE INDEX by_index_a ON public.by_index (a);
ALTER TABLE public.by_index ADD CONSTRAINT by_index_key PRIMARY KEY USING INDEX by_index_a;
CREATE FUNCTION public.even(int) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE TABLE public.by_function (a int CHECK (public.even(a)), CHECK ((by_function.*) IS NOT NULL));
INSERT INTO public.by_function VALUES (2);
CREATE FUNCTION public.raise() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE CONSTRAINT TRIGGER looks AFTER INSERT OR UPDATE ON public.parents FROM public.children DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.raise();
COMMENT ON CONSTRAINT pair ON public.parents IS 'a unique constraint';
COMMENT ON CONSTRAINT pair ON public.children IS 'a foreign key';
COMMENT ON CONSTRAINT positive ON public.unchecked IS 'not validated';
--@ 15+
CREATE TABLE public.nulls (a int, b int, CONSTRAINT nulls_once UNIQUE NULLS NOT DISTINCT (a), c int,
    FOREIGN KEY (a, b) REFERENCES public.parents (a, b) ON DELETE SET NULL (b));
INSERT INTO public.nulls VALUES (NULL, 1, 1), (1, 1, 1);
--@ 18+
CREATE TABLE public.named_nulls (a int CONSTRAINT a_there NOT NULL, b int, c int CONSTRAINT c_there NOT NULL NO INHERIT, d int NOT NULL);
CREATE TABLE public.named_child () INHERITS (public.named_nulls);
CREATE TABLE public.own_nulls (CONSTRAINT own_there NOT NULL a) INHERITS (public.named_nulls);
INSERT INTO public.named_nulls VALUES (1, NULL, 1, 1);
ALTER TABLE public.named_nulls ADD CONSTRAINT b_there NOT NULL b NOT VALID;
COMMENT ON CONSTRAINT a_there ON public.named_nulls IS 'a named NOT NULL';
CREATE TABLE public.unenforced (a int, CONSTRAINT hope CHECK (a > 0) NOT ENFORCED, p int REFERENCES public.parents NOT ENFORCED);
INSERT INTO public.unenforced VALUES (-1, 77);
CREATE TABLE public.temporal (id int4range, valid daterange, CONSTRAINT temporal_key PRIMARY KEY (id, valid WITHOUT OVERLAPS), CONSTRAINT temporal_unique UNIQUE (id, valid WITHOUT OVERLAPS));
CREATE TABLE public.temporal_child (id int4range, valid daterange, FOREIGN KEY (id, PERIOD valid) REFERENCES public.temporal (id, PERIOD valid));
INSERT INTO public.temporal VALUES ('[1,2)', '[2024-01-01,2024-02-01)'), ('[1,2)', '[2024-02-01,2024-03-01)');
INSERT INTO public.temporal_child VALUES ('[1,2)', '[2024-01-15,2024-02-15)');
