// Package workload builds a database to measure with, the same whenever its
// sizes are the same. Its rows are such as the applications of an association
// have.
package workload

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Sizes say how large the database is.
type Sizes struct {
	Large    int // COPY text of the one large table, in MB; 0: there is none
	Middling int // number of middling tables
	Each     int // COPY text of each of them, in MB
	Wide     int // COPY text of the table with wide rows, in MB; 0: there is none
	Empty    int // number of empty tables
}

// table is one table that is built: its columns, what is made after its rows
// were loaded, and its rows.
type table struct {
	name    string
	columns string
	after   []string
	bytes   int // of COPY text
	row     func(g *generator, id int)
}

// people is how many rows the table has that the others refer to.
const people = 5000

// tables are those with rows, in the order in which they are made.
func tables(s Sizes) []table {
	list := []table{{
		name:    "profiles",
		columns: `id int PRIMARY KEY, nome text NOT NULL, email text NOT NULL UNIQUE, telefone varchar(20), nascimento date, ativo boolean NOT NULL`,
		row:     profile, bytes: people * 90,
	}}
	for i := range s.Middling {
		name := fmt.Sprintf("oficinas_%02d", i+1)
		list = append(list, table{
			name:    name,
			columns: `id int PRIMARY KEY, responsavel int NOT NULL, titulo text NOT NULL, vagas smallint, preco numeric(10,2), inicio timestamptz, local text`,
			after: []string{
				"CREATE INDEX ON " + name + " (inicio)",
				"ALTER TABLE " + name + " ADD FOREIGN KEY (responsavel) REFERENCES profiles"},
			row: workshop, bytes: s.Each << 20,
		})
	}
	if s.Wide > 0 {
		list = append(list, table{
			name: "anexos", columns: `id int PRIMARY KEY, nome text, conteudo text, miniatura bytea`,
			row: attachment, bytes: s.Wide << 20,
		})
	}
	if s.Large > 0 {
		list = append(list, table{
			name: "tarefas",
			columns: `id bigint PRIMARY KEY, chave uuid NOT NULL, responsavel int NOT NULL, titulo text NOT NULL, descricao text,
				situacao text NOT NULL, prioridade smallint, valor numeric(12,2), criada timestamptz NOT NULL, alterada timestamptz,
				etiquetas text[], dados jsonb`,
			after: []string{
				"CREATE INDEX ON tarefas (responsavel)",
				"CREATE INDEX ON tarefas (criada)",
				"CREATE INDEX ON tarefas (situacao, prioridade)",
				"ALTER TABLE tarefas ADD FOREIGN KEY (responsavel) REFERENCES profiles"},
			row: task, bytes: s.Large << 20,
		})
	}
	return list
}

// Build makes the database in one that is empty.
func Build(ctx context.Context, conn *pgx.Conn, s Sizes) error {
	for i, t := range tables(s) {
		if _, err := conn.Exec(ctx, "CREATE TABLE "+t.name+" ("+t.columns+")"); err != nil {
			return fmt.Errorf("building %s: %w", t.name, err)
		}
		g := &generator{Rand: rand.New(rand.NewPCG(1, uint64(i))), row: t.row, left: t.bytes}
		if _, err := conn.PgConn().CopyFrom(ctx, g, "COPY "+t.name+" FROM STDIN"); err != nil {
			return fmt.Errorf("building %s: %w", t.name, err)
		}
		for _, sql := range t.after {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("building %s: %w", t.name, err)
			}
		}
	}
	for i := range s.Empty {
		sql := fmt.Sprintf("CREATE TABLE vazia_%04d (id bigint PRIMARY KEY, nome text NOT NULL DEFAULT '', criada timestamptz)", i)
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("building empty tables: %w", err)
		}
	}
	// Hint bits and the visibility map are then the same for every contestant.
	for _, sql := range []string{"VACUUM (FREEZE, ANALYZE)", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("settling the built database: %w", err)
		}
	}
	return nil
}

// generator makes COPY text row by row.
type generator struct {
	*rand.Rand
	row  func(g *generator, id int)
	left int // bytes to make
	id   int
	buf  []byte // made and not yet read
	off  int
}

var _ io.Reader = (*generator)(nil)

func (g *generator) Read(p []byte) (int, error) {
	if g.off == len(g.buf) {
		g.buf, g.off = g.buf[:0], 0
		for len(g.buf) < 64<<10 && g.left > 0 {
			before := len(g.buf)
			g.id++
			g.row(g, g.id)
			g.buf[len(g.buf)-1] = '\n' // the last field's tab
			g.left -= len(g.buf) - before
		}
		if len(g.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, g.buf[g.off:])
	g.off += n
	return n, nil
}

var (
	nouns = strings.Fields(`reunião inscrição beneficiária oficina avaliação relatório município região entrega doação família criança
		saúde educação alimentação costura artesanato informática cidadania violência acolhimento visita documento benefício cadastro
		renda orçamento parceria voluntária comunidade bairro endereço telefone coração maçã pão irmã avó café ônibus`)
	verbs = strings.Fields(`registrar atualizar enviar confirmar agendar concluir revisar preparar organizar encaminhar solicitar
		imprimir conferir aprovar cancelar reabrir`)
	names = strings.Fields(`Ana Beatriz Conceição Débora Érica Fátima Glória Helena Inês Joana Luíza Márcia Natália Patrícia
		Rosângela Sílvia Tânia Vitória`)
	surnames = strings.Fields(`Araújo Brandão Cardoso Durães Evangelista Falcão Gonçalves Leitão Magalhães Nóbrega Oliveira
		Paixão Queirós Ribeirão Simões Távora`)
	states = strings.Fields(`aberta andamento concluída cancelada`)
	labels = strings.Fields(`urgente família saúde jurídico doação retorno 📌 mães`)
	epoch  = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
)

func (g *generator) tab()                     { g.buf = append(g.buf, '\t') }
func (g *generator) text(s string)            { g.buf = append(append(g.buf, s...), '\t') }
func (g *generator) number(n int)             { g.buf = strconv.AppendInt(g.buf, int64(n), 10); g.tab() }
func (g *generator) word(from []string)       { g.buf = append(g.buf, from[g.IntN(len(from))]...) }
func (g *generator) print(f string, a ...any) { g.buf = fmt.Appendf(g.buf, f, a...) }

func (g *generator) decimal(below int) {
	n := g.IntN(below * 100)
	g.print("%d.%02d\t", n/100, n%100)
}

func (g *generator) when(id int) {
	at := epoch.Add(time.Duration(id)*31*time.Second + time.Duration(g.IntN(1e9))*time.Microsecond)
	g.buf = at.AppendFormat(g.buf, "2006-01-02 15:04:05.999999-07")
	g.tab()
}

func (g *generator) sentence(words int) {
	g.word(verbs)
	for range words {
		g.buf = append(g.buf, ' ')
		g.word(nouns)
	}
}

func profile(g *generator, id int) {
	g.number(id)
	g.word(names)
	g.buf = append(g.buf, ' ')
	g.word(surnames)
	g.print("\tpessoa%d@exemplo.org.br\t(11) 9%04d-%04d\t19%02d-%02d-%02d\t", id, g.IntN(10000), g.IntN(10000), 50+g.IntN(49), 1+g.IntN(12), 1+g.IntN(28))
	g.text("t")
}

func workshop(g *generator, id int) {
	g.number(id)
	g.number(1 + g.IntN(people))
	g.sentence(3)
	g.tab()
	g.number(g.IntN(40))
	g.decimal(500)
	g.when(id)
	g.sentence(2)
	g.tab()
}

func task(g *generator, id int) {
	g.number(id)
	a, b := g.Uint64(), g.Uint64()
	g.print("%08x-%04x-%04x-%04x-%012x\t", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
	g.number(1 + g.IntN(people))
	g.sentence(4)
	g.tab()
	if g.IntN(10) == 0 {
		g.text(`\N`)
	} else {
		g.sentence(6 + g.IntN(12))
		g.tab()
	}
	g.text(states[g.IntN(len(states))])
	g.number(g.IntN(5))
	g.decimal(100000)
	g.when(id)
	g.when(id + 7)
	g.buf = append(g.buf, '{')
	g.word(labels)
	g.buf = append(g.buf, ',')
	g.word(labels)
	g.buf = append(g.buf, "}\t"...)
	g.print(`{"origem": "%s", "pontos": %d, "contato": {"nome": "%s %s", "aceita": %t}}`+"\t", nouns[g.IntN(len(nouns))], g.IntN(1000),
		names[g.IntN(len(names))], surnames[g.IntN(len(surnames))], g.IntN(2) == 0)
}

// attachment is a row that is stored out of line: some 100 kB of text, and
// bytes that do not compress.
func attachment(g *generator, id int) {
	g.number(id)
	g.sentence(2)
	g.tab()
	for end := len(g.buf) + 50<<10 + g.IntN(100<<10); len(g.buf) < end; g.buf = append(g.buf, ' ') {
		g.sentence(9)
	}
	g.buf = append(g.buf, "\t\\\\x"...)
	for range 1 << 10 {
		g.print("%016x", g.Uint64())
	}
	g.tab()
}
