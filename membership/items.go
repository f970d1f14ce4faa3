package membership

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/vxmesh/vxmesh/tunnel/roster"
)

// savedItems is the form of members.json; each item is as it is on its way.
type savedItems struct {
	header
	Items [][]byte `json:"items"`
}

// SaveItems keeps the roster.
func (m *Member) SaveItems(items []roster.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.locked(func() error { return m.saveItems(items) })
}

func (s store) saveItems(items []roster.Item) error {
	v := savedItems{header: header{format}, Items: make([][]byte, 0, len(items))}
	for _, it := range items {
		v.Items = append(v.Items, roster.AppendItem(nil, it))
	}
	return s.saveJSON(fileMembers, v)
}

// Items reads the roster, as it was kept last; there may be none. With an error come the items that
// could be read: members tell each other the rest.
func (m *Member) Items() ([]roster.Item, error) {
	b, err := m.load(fileMembers)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	items, err := parseItems(b)
	if err != nil {
		err = fmt.Errorf("read %s: it is broken (%w): nothing is to be done, other members tell the rest",
			m.path(fileMembers), err)
	}
	return items, err
}

// parseItems reads up to where the file is broken, and leaves out items that are.
func parseItems(b []byte) (items []roster.Item, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if err := openList(d); err != nil {
		return nil, err
	}
	for d.More() {
		var raw []byte
		if err := d.Decode(&raw); err != nil {
			return items, err
		}
		some, e := roster.ParseItems(raw)
		items, err = append(items, some...), errors.Join(err, e)
	}
	if err == nil {
		var all savedItems // what comes behind the list
		err = json.Unmarshal(b, &all)
	}
	return items, err
}

// openList reads up to the first item. The format comes before the items.
func openList(d *json.Decoder) error {
	want := []json.Token{json.Delim('{'), "format", float64(format), "items", json.Delim('[')}
	for i, w := range want {
		got, err := d.Token()
		if err != nil {
			return err
		}
		if n, ok := got.(float64); ok && i == 2 && n > format {
			return errFormat
		}
		if got != w {
			return errors.New("it is something else")
		}
	}
	return nil
}
