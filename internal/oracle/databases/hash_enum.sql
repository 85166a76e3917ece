-- Hash partitions on an enum: the hash is that of the value's OID, which a
-- restore changes, so rows move to other partitions.
--@ drifts
CREATE TYPE public.colour AS ENUM ('red', 'green', 'blue', 'black', 'white');
CREATE TABLE public.hash_enum (c public.colour, n int) PARTITION BY HASH (c);
CREATE TABLE public.hash_enum_0 PARTITION OF public.hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 0);
CREATE TABLE public.hash_enum_1 PARTITION OF public.hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 1) PARTITION BY LIST (n);
CREATE TABLE public.hash_enum_1_rest PARTITION OF public.hash_enum_1 DEFAULT;
CREATE TABLE public.hash_enum_2 PARTITION OF public.hash_enum FOR VALUES WITH (MODULUS 3, REMAINDER 2);
INSERT INTO public.hash_enum SELECT (enum_range(NULL::public.colour))[1 + i % 5], i FROM generate_series(1, 50) AS i;
