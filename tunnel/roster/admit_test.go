package roster

import (
	"errors"
	"testing"
	"time"
)

func TestAdmit(t *testing.T) {
	id, session := idOf(memberKey), SessionKey(idOf(memberKey))
	old, fresh := certify(theAdmin, memberKey, "m", 0), certify(secondAdmin, memberKey, "m", 60)
	moved := must(theAdmin.Certify(Certificate{
		Sign: signKeyOf(memberKey), Session: SessionKey{7}, Name: "m",
		NotBefore: objectsAt.Add(time.Minute), NotAfter: objectsAt.Add(CertificateLife),
	})).Item()
	expelled := RemoveByNetwork(networkKey, idOf(adminKey), objectsAt).Item()
	left := Leaving(theAnchor.ID(), memberKey, objectsAt).Item()
	late := objectsAt.Add(CertificateLife)
	for _, tt := range []struct {
		name    string
		here    []Item
		at      time.Time
		session SessionKey
		id      NodeID
		shown   Item
		err     error
	}{
		{"somebody new", nil, objectsAt, session, id, old, nil},
		{"with an older one", []Item{fresh}, objectsAt, session, id, old, nil},
		{"with a newer one", []Item{old}, objectsAt, session, id, fresh, nil},
		{"expired, but there is a newer one", []Item{fresh}, late, session, id, old, nil},
		{"by a revoked admin, but there is another", []Item{fresh, expelled}, objectsAt, session, id, old, nil},
		{"by a revoked admin", []Item{expelled}, objectsAt, session, id, old, errIssuer},
		{"expired", nil, late, session, id, old, ErrExpired},
		{"another's certificate", nil, objectsAt, session, idOf(keyFrom(20)), old, errOtherNode},
		{"another session key", nil, objectsAt, SessionKey{7}, id, old, errOtherSession},
		{"a session key of before", []Item{moved}, objectsAt, session, id, old, errOtherSession},
		{"who left", []Item{left}, objectsAt, session, id, old, ErrRevoked},
		{"who was removed", []Item{theAdmin.Remove(id, objectsAt).Item()}, objectsAt, session, id, old, ErrRevoked},
		{"of another network", nil, objectsAt, session, id, certify(noAdmin, memberKey, "m", 0), ErrDelegation},
	} {
		r := with(t, tt.here...)
		m, err := r.Admit(tt.at, tt.session, tt.id, tt.shown.Raw)
		if !errors.Is(err, tt.err) || (m == nil) != (tt.err != nil) || m != nil && m.ID != tt.id {
			t.Errorf("%s: %+v, error %v; want %v", tt.name, m, err, tt.err)
		}
	}
	if _, err := newRoster().Admit(objectsAt, session, id, nil); err == nil {
		t.Error("without a certificate: no error")
	}
}
