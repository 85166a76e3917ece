-- Inheritance: several levels, several parents, overridden defaults.
CREATE TABLE public.cities (name text NOT NULL, population real DEFAULT 0, founded date, CONSTRAINT named CHECK (name <> ''), CONSTRAINT own CHECK (population >= 0) NO INHERIT);
CREATE TABLE public.capitals (state char(2) UNIQUE) INHERITS (public.cities);
CREATE TABLE public.described (name text, description text DEFAULT 'none');
CREATE TABLE public.both_parents (population real DEFAULT 5, extra int) INHERITS (public.cities, public.described);
CREATE TABLE public.grandchild (CONSTRAINT named CHECK (name <> '')) INHERITS (public.capitals);
CREATE TABLE public.adopted (name text NOT NULL, population real, founded date, state char(2), extra int);
ALTER TABLE public.adopted ADD CONSTRAINT named CHECK (name <> '');
ALTER TABLE public.adopted INHERIT public.capitals;
ALTER TABLE public.capitals ALTER population SET DEFAULT 1000;
ALTER TABLE public.described DROP COLUMN name;
CREATE TABLE public.gen_parent (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
CREATE TABLE public.gen_child () INHERITS (public.gen_parent);
INSERT INTO public.cities VALUES ('Recife', 1488920, '1537-03-12');
INSERT INTO public.capitals (name, state) VALUES ('Brasília', 'DF');
INSERT INTO public.both_parents (name, extra) VALUES ('x', 1);
INSERT INTO public.grandchild (name, state) VALUES ('y', 'YY');
INSERT INTO public.adopted VALUES ('z', 2, NULL, 'ZZ', 1);
INSERT INTO public.gen_parent VALUES (1);
INSERT INTO public.gen_child VALUES (2);
--@ 16+
CREATE TABLE public.gen_override (b int GENERATED ALWAYS AS (a * 3) STORED) INHERITS (public.gen_parent);
