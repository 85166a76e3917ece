-- Many empty tables.
DO $$
BEGIN
    FOR i IN 1..2000 LOOP
        EXECUTE format('CREATE TABLE public.t%s (a int)', i);
    END LOOP;
END $$;
