-- A child whose columns are in another order than its parent's: PostgreSQL has
-- no statement that creates it so, and a restored one has the parent's order.
--@ drifts
CREATE TABLE public.parent (name text NOT NULL, population real DEFAULT 0);
CREATE TABLE public.adopted (state char(2), extra int, population real, name text NOT NULL);
ALTER TABLE public.adopted INHERIT public.parent;
ALTER TABLE public.parent ADD COLUMN founded date;
INSERT INTO public.adopted VALUES ('ZZ', 1, 2, 'z', '2024-01-01');
CREATE TABLE public.mother (a int, b int);
CREATE TABLE public.father (b int, c int, a int);
CREATE TABLE public.child (d int, c int) INHERITS (public.mother, public.father);
ALTER TABLE public.mother ADD COLUMN e int DEFAULT 9;
ALTER TABLE public.child ALTER e SET DEFAULT 10;
INSERT INTO public.child VALUES (1, 2, 3, 4);
