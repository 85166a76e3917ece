package restore

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var (
	RewriteRoles    = rewriteRoles
	RewriteDatabase = rewriteDatabase
	StatementAt     = statementAt
)

// Lex is the texts of the tokens, and which of them are names or keywords.
func Lex(sql string) (texts []string, names []string) {
	for _, t := range lex(sql) {
		texts = append(texts, t.text)
		if t.kind == word || t.kind == quoted {
			names = append(names, t.name())
		}
	}
	return texts, names
}

// StageName is what a database is called while it is filled.
func StageName(database string) string {
	return (&target{config: &pgx.ConnConfig{Config: pgconn.Config{Database: database}}}).stageName()
}

// Node is a step for RunGraph.
type Node struct {
	Weight       int64
	After        []int // nodes by their index
	Share, Alone []int // tables
	Run          func(context.Context) error
}

// RunGraph runs the nodes on several jobs.
func RunGraph(ctx context.Context, jobs int, steps []Node) error {
	nodes := make([]*node, len(steps))
	for i, s := range steps {
		nodes[i] = &node{order: i, weight: s.Weight, share: s.Share, alone: s.Alone,
			run: func(ctx context.Context, _ *worker) error { return s.Run(ctx) }}
	}
	for i, s := range steps {
		for _, dep := range s.After {
			nodes[i].after(nodes[dep])
		}
	}
	return runGraph(ctx, nodes, make([]*worker, jobs))
}
