// Package tour shows how two machines behind NATs come together: first through a relay, then
// directly, with every packet explained.
//
// Use [Plan] for the network, [Ping] to have one host ping another in it, and [Tell] for the whole as
// a text that ends by itself. Nothing here is simulated but the internet: the nodes are whole.
package tour
