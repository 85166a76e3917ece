package pgschema

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Unfinished is a restore in place that left the database incomplete. It is
// noted in the first line of the database's comment: an owner may set that, and
// it shows where databases are listed. [Read] takes the line off, so that no
// archive carries it over to the database that it is restored into.
type Unfinished struct {
	Set    string    `json:"set"`    // that was being restored; "" where somebody edited the line
	Safety string    `json:"safety"` // the safety backup taken before; likewise
	Since  time.Time `json:"since"`
}

func (u *Unfinished) String() string {
	if u.Set == "" {
		return "a restore in place did not end, and the line of the database's comment that said which was edited: restore again, or take that line away"
	}
	return fmt.Sprintf("the restore of %s, begun at %s, did not end: restore again, or roll back to safety backup %s, which has what was there before",
		u.Set, u.Since.Format(time.RFC3339), u.Safety)
}

// unfinishedMark begins the comment of a database that is incomplete.
const unfinishedMark = "pgcofre: INCOMPLETE, a restore in place did not end "

// setID is what the names of sets look like. What does not is not repeated in
// messages and manifests: whoever owns the database writes its comment.
var setID = regexp.MustCompile(`^[a-z_]{1,20}/[0-9A-Za-z-]{1,60}$`)

// CutUnfinished takes the mark, if there is one, off a database's comment. A
// comment that is not there is "".
func CutUnfinished(comment string) (u *Unfinished, rest string) {
	line, after, _ := strings.Cut(comment, "\n")
	data, marked := strings.CutPrefix(line, unfinishedMark)
	if !marked {
		return nil, comment
	}
	u = new(Unfinished)
	if json.Unmarshal([]byte(data), u) != nil || !setID.MatchString(u.Set) || !setID.MatchString(u.Safety) {
		u = new(Unfinished)
	}
	return u, after
}

// Mark returns the comment with the mark in front.
func (u *Unfinished) Mark(comment string) (string, error) {
	data, err := json.Marshal(u)
	if err != nil {
		return "", err
	}
	if comment != "" {
		comment = "\n" + comment
	}
	return unfinishedMark + string(data) + comment, nil
}
