package control

import (
	"context"
	"io"
	"net"
	"os"
)

// A Backend is what the server needs from the engine. Every function is called by many goroutines
// at once, must be set, and returns values that the engine no longer changes. The server fills the
// schema fields. Errors that are an [*Error] keep their code, all others are [CodeFailed].
type Backend struct {
	Status func() Status
	Peers  func() Peers
	FDB    func(FDBFilter) FDB
	Stats  func() Stats
	// History may be nil: then the server records what Stats and Peers say.
	History func() History

	// Ping sends one sealed echo and waits for it, or for the end of ctx, whose error it then returns.
	// A peer that there is not is CodeNotFound, here and in Why.
	Ping func(ctx context.Context, r PingRequest) (PingReply, error)
	Why  func(peer string) (Why, error)
	// PingPaths sends sealed echoes by every way and waits for them. At the end of ctx it returns what
	// has come back until then.
	PingPaths func(ctx context.Context, r PingRequest) (PingPaths, error)
	// PingOverlay sends one ICMP echo into a segment and waits as Ping does.
	PingOverlay func(ctx context.Context, r OverlayPing) (OverlayReply, error)
	// DialOverlay reaches a place in a segment, or waits for one who comes from there, and then calls
	// accept for the client's side. It passes on between the two, until both have ended or ctx has; then
	// both are closed. An error before accept is the client's answer.
	DialOverlay func(ctx context.Context, r DialRequest, accept func() (net.Conn, error)) error
	// Netcheck tests for up to 3 seconds how the node is connected.
	Netcheck func(ctx context.Context) (Netcheck, error)

	Members func() Members
	Publish func(Publish) error

	// PausePeer, ResumePeer and ReconnectPeer give the peer as it is afterwards.
	PausePeer     func(peer string) (Peer, error)
	ResumePeer    func(peer string) (Peer, error)
	ReconnectPeer func(peer string) (Peer, error)

	// What an admin does. On a node that may not it is CodePermission. These fill the schema fields.
	Invitations      func() (Invitations, error)
	Invite           func(context.Context, InviteRequest) (InviteResult, error)
	RevokeInvitation func(id string) (Invitations, error)
	RemoveMember     func(context.Context, RemoveRequest) (Removed, error)
	RenameMember     func(context.Context, RenameRequest) (Renamed, error)

	// Guest lets another process's TAP, which it owns from then on, into a segment. Nil takes no guests.
	Guest func(r GuestRequest, tap *os.File) (GuestStay, error)

	AddFDB   func(FDBAdd) (FDBResult, error)
	DelFDB   func(FDBDel) (FDBResult, error)
	FlushFDB func(FDBFlush) (FDBResult, error)

	// Reload reads the config again and takes the whole of it or nothing. A broken file is
	// CodeConfig with one of Details per error.
	Reload func(context.Context) (ReloadResult, error)

	// Capture writes pcapng until ctx ends or w returns an error. A write blocks for at most 5
	// seconds, after which w stays broken; the engine must not wait for it on the way of a frame.
	Capture func(ctx context.Context, w io.Writer, o CaptureOptions) error

	// Stacks gives the stacks of all goroutines as text, Packets the headers of the last packets: pcapng,
	// or a line each.
	Stacks  func() []byte
	Packets func(text bool) []byte
	// Panicked is told of a panic of a request, which it does not survive and the node does. It says
	// where its report is.
	Panicked func(v any) string

	Events *Hub
	Log    *LogBuffer
}

// CaptureOptions narrow a capture; the zero value takes everything whole.
type CaptureOptions struct {
	VNI     uint32 // 0 = every segment
	SnapLen int    // bytes kept of each packet; 0 = all
}
