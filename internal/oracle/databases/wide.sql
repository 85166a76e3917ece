-- The most columns that a table can have, one of them wide.
DO $$
BEGIN
    EXECUTE 'CREATE TABLE public.wide (' || (SELECT string_agg(format('c%s %s', i, CASE WHEN i % 3 = 0 THEN 'text' ELSE 'int' END), ', ' ORDER BY i) FROM generate_series(1, 1600) AS i) || ')';
END $$;
INSERT INTO public.wide (c1, c2, c3, c1600) VALUES (1, NULL, repeat('wide', 100000), 1600), (NULL, NULL, NULL, NULL), (3, 2, '', 0);
