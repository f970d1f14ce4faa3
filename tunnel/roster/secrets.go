package roster

import (
	"bytes"
	"slices"
)

// maxSecrets is how many of the network's secrets are in force at a time, and of each issuer as many
// are kept; maxSecretsInAll bounds them all.
const (
	maxSecrets      = 4
	maxSecretsInAll = 64
)

func (r *Roster) addSecret(raw []byte) (Change, error) {
	s, err := ParseSecret(raw)
	if err != nil {
		return Change{}, err
	}
	it, issuer := s.Item(), s.Issuer.Node()
	if r.holdsSecret(s) || !r.wantsSecret(s) && r.proved(issuer, it) {
		return Change{}, nil
	}
	if err := s.Verify(r.o.Anchor); err != nil {
		return Change{}, err
	}
	turned := r.learn(issuer, it)
	r.keepSecret(s)
	if turned || slices.Contains(r.secretsInForce(), s) {
		return Change{ItemSecret, NodeID{}, it, true}, nil
	}
	return Change{}, nil
}

func (r *Roster) holdsSecret(s *Secret) bool {
	return slices.ContainsFunc(r.secrets, func(o *Secret) bool { return bytes.Equal(o.Raw, s.Raw) })
}

// wantsSecret tells whether the secret is among the newest of its issuer.
func (r *Roster) wantsSecret(s *Secret) bool {
	newer := 0
	for _, o := range r.secrets {
		if o.Issuer == s.Issuer && o.Newer(s) {
			newer++
		}
	}
	return newer < maxSecrets
}

// keepSecret keeps the newest secrets of every issuer: who of them will turn out to be revoked is not
// known yet, and then those of the others are in force.
func (r *Roster) keepSecret(s *Secret) {
	r.secrets = append(r.secrets, s)
	slices.SortFunc(r.secrets, func(a, b *Secret) int { return compareBool(b.Newer(a), a.Newer(b)) })
	count := make(map[SignKey]int)
	r.secrets = slices.DeleteFunc(r.secrets, func(o *Secret) bool {
		count[o.Issuer]++
		return count[o.Issuer] > maxSecrets
	})
	if last := len(r.secrets) - 1; last >= maxSecretsInAll {
		for i, o := range r.secrets {
			if r.void(o.Issuer) {
				last = i
			}
		}
		r.secrets = slices.Delete(r.secrets, last, last+1)
	}
	r.touch()
}

// void tells whether what somebody issued does not count any more.
func (r *Roster) void(issuer SignKey) bool { return r.revoked.final[issuer.Node()] }

// secretsInForce are the newest whose issuers are not revoked. Where all are, the newest stays: a
// network without a secret could not even be told of the next one.
func (r *Roster) secretsInForce() []*Secret {
	var all []*Secret
	for _, s := range r.secrets {
		if !r.void(s.Issuer) && len(all) < maxSecrets {
			all = append(all, s)
		}
	}
	if len(all) == 0 && len(r.secrets) > 0 {
		all = r.secrets[:1:1]
	}
	return all
}

// Secrets are the network's secrets in force, newest first, at most 4.
func (r *Roster) Secrets() [][32]byte {
	var all [][32]byte
	for _, s := range r.secretsInForce() {
		all = append(all, s.Secret)
	}
	return all
}

// SecretNumber is the number of the newest secret, 0 when there is none.
func (r *Roster) SecretNumber() uint64 {
	if all := r.secretsInForce(); len(all) > 0 {
		return all[0].Number
	}
	return 0
}
