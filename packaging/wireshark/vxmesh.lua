-- Shows in Wireshark what vxmesh nodes say to each other, as far as it can be read without keys: who
-- a datagram is for, its segment, its place among others, and the parts of handshakes. docs/protocol.md
-- describes every byte. STUN on the same port is left to Wireshark's own dissector.
--
-- What control messages say is sealed. Where somebody has opened one, "Decode As" vxmesh_control shows it.

local vxmesh = Proto("vxmesh", "vxmesh sealed VXLAN")
local control = Proto("vxmesh_control", "vxmesh control message, opened")

local HEADER_LEN, TAG_LEN = 16, 16
local MESSAGE1_LEN, MESSAGE2_LEN, COOKIE_LEN = 544, 496, 73
local HELLO_LEN, OPENER_LEN = 27, 16
local MIN_INDEX = 256
local VXLAN_PORT, HELLO_PORT = 4789, 21586

local udp_port = DissectorTable.get("udp.port")

-- The first are indices; the others are what the rest of them can be.
local PLAIN, HANDSHAKE1, HANDSHAKE2, COOKIE, HELLO, OPENER = 0, 1, 2, 3, 4, 5
local RESERVED, CONTROL, DATA = 6, 7, 8
local kinds = {
  [PLAIN] = "Plain VXLAN", [HANDSHAKE1] = "Handshake 1", [HANDSHAKE2] = "Handshake 2",
  [COOKIE] = "Cookie", [HELLO] = "HELLO", [OPENER] = "Opener", [RESERVED] = "Reserved",
  [CONTROL] = "Control", [DATA] = "Data",
}

local f = {
  kind = ProtoField.uint8("vxmesh.kind", "Kind", base.DEC, kinds),
  vxlan_flags = ProtoField.uint8("vxmesh.vxlan_flags", "VXLAN flags", base.HEX),
  index = ProtoField.uint32("vxmesh.index", "Index", base.HEX),
  vni = ProtoField.uint24("vxmesh.vni", "VNI", base.DEC),

  counter = ProtoField.uint64("vxmesh.counter", "Counter", base.DEC),
  last = ProtoField.bool("vxmesh.last", "Last chunk", 8, nil, 0x80),
  chunk = ProtoField.uint8("vxmesh.chunk", "Chunk", base.DEC, nil, 0x7f),
  message = ProtoField.uint64("vxmesh.message", "Message", base.DEC),
  flags = ProtoField.uint8("vxmesh.flags", "Flags", base.HEX),
  flag_offload = ProtoField.bool("vxmesh.flags.offload", "Offload metadata first", 8, nil, 0x01),
  flag_headers = ProtoField.bool("vxmesh.flags.headers", "Copy of the headers last", 8, nil, 0x02),
  ciphertext = ProtoField.bytes("vxmesh.ciphertext", "Ciphertext"),
  tag = ProtoField.bytes("vxmesh.tag", "Tag"),

  sender = ProtoField.uint32("vxmesh.sender", "Sender's index", base.HEX),
  receiver = ProtoField.uint32("vxmesh.receiver", "Receiver's index", base.HEX),
  zeros = ProtoField.bytes("vxmesh.zeros", "Zeros"),
  ephemeral = ProtoField.bytes("vxmesh.noise.ephemeral", "Ephemeral public key"),
  static = ProtoField.bytes("vxmesh.noise.static", "Sealed static public key"),
  payload = ProtoField.bytes("vxmesh.noise.payload", "Sealed payload"),
  mac1 = ProtoField.bytes("vxmesh.mac1", "MAC 1"),
  mac2 = ProtoField.bytes("vxmesh.mac2", "MAC 2"),
  nonce = ProtoField.bytes("vxmesh.cookie.nonce", "Nonce"),
  cookie = ProtoField.bytes("vxmesh.cookie.sealed", "Sealed cookie"),

  hello_version = ProtoField.uint8("vxmesh.hello.version", "Version", base.DEC),
  hello_network = ProtoField.bytes("vxmesh.hello.network", "Network's tag of the day"),
  hello_node = ProtoField.bytes("vxmesh.hello.node", "Node's tag of the day"),
  hello_port = ProtoField.uint16("vxmesh.hello.port", "Mesh port", base.DEC),

  datagram = ProtoField.bytes("vxmesh.datagram", "Datagram"),
}
vxmesh.fields = f

local e = {
  length = ProtoExpert.new("vxmesh.length", "The length is not that of its kind",
    expert.group.MALFORMED, expert.severity.ERROR),
  reserved = ProtoExpert.new("vxmesh.reserved", "Reserved: every node drops it",
    expert.group.PROTOCOL, expert.severity.WARN),
  zeros = ProtoExpert.new("vxmesh.not_zero", "This has to be zero",
    expert.group.PROTOCOL, expert.severity.WARN),
  chunk = ProtoExpert.new("vxmesh.impossible_chunk", "No message has such a chunk",
    expert.group.PROTOCOL, expert.severity.WARN),
}
vxmesh.experts = e

vxmesh.prefs.ports = Pref.range("UDP ports", "",
  "Ports on which everything is taken for vxmesh; elsewhere it is recognised by what it looks like",
  65535)
vxmesh.prefs.cut = Pref.bool("Cut what the kernel merged", true,
  "A capture on a node itself shows many datagrams as one (UDP GSO and GRO)")

local function index_of(tvb)
  return tvb(1, 3):uint() * 256 + tvb(7, 1):uint()
end

local function all_zero(range)
  return range:bytes():tohex():find("[^0]") == nil
end

-- kind_of is for datagrams of at least 8 bytes.
local function kind_of(tvb)
  local index = index_of(tvb)
  if index < MIN_INDEX then
    return math.min(index, RESERVED)
  end
  if tvb(4, 3):uint() == 0 then
    return CONTROL
  end
  return DATA
end

local function add_zeros(tree, range)
  local item = tree:add(f.zeros, range)
  if not all_zero(range) then
    item:add_proto_expert_info(e.zeros)
  end
end

-- has_length adds a remark when a handshake is not as long as all of its kind are.
local function has_length(tvb, tree, length)
  if tvb:len() == length then
    return true
  end
  tree:add_proto_expert_info(e.length)
  return false
end

local function dissect_handshake1(tvb, tree)
  if not has_length(tvb, tree, MESSAGE1_LEN) then
    return ""
  end
  tree:add(f.sender, tvb(8, 4))
  add_zeros(tree, tvb(12, 4))
  tree:add(f.ephemeral, tvb(16, 32))
  tree:add(f.static, tvb(48, 48))
  tree:add(f.payload, tvb(96, 416))
  tree:add(f.mac1, tvb(512, 16))
  tree:add(f.mac2, tvb(528, 16))
  return string.format(", from %08x%s", tvb(8, 4):uint(),
    all_zero(tvb(528, 16)) and "" or ", with a cookie")
end

local function dissect_handshake2(tvb, tree)
  if not has_length(tvb, tree, MESSAGE2_LEN) then
    return ""
  end
  tree:add(f.sender, tvb(8, 4))
  tree:add(f.receiver, tvb(12, 4))
  tree:add(f.ephemeral, tvb(16, 32))
  tree:add(f.payload, tvb(48, 416))
  tree:add(f.mac1, tvb(464, 16))
  add_zeros(tree, tvb(480, 16))
  return string.format(", from %08x to %08x", tvb(8, 4):uint(), tvb(12, 4):uint())
end

local function dissect_cookie(tvb, tree)
  if not has_length(tvb, tree, COOKIE_LEN) then
    return ""
  end
  tree:add(f.receiver, tvb(8, 4))
  add_zeros(tree, tvb(12, 4))
  tree:add(f.nonce, tvb(16, 24))
  tree:add(f.cookie, tvb(40, 17))
  tree:add(f.tag, tvb(57, 16))
  return string.format(", to %08x", tvb(8, 4):uint())
end

local function dissect_hello(tvb, tree)
  if not has_length(tvb, tree, HELLO_LEN) then
    return ""
  end
  tree:add(f.hello_version, tvb(8, 1))
  tree:add(f.hello_network, tvb(9, 8))
  tree:add(f.hello_node, tvb(17, 8))
  tree:add(f.hello_port, tvb(25, 2))
  return string.format(", listens on port %d", tvb(25, 2):uint())
end

local function dissect_opener(tvb, tree)
  if has_length(tvb, tree, OPENER_LEN) then
    add_zeros(tree, tvb(8, 8))
  end
  return ""
end

-- possible reports whether a data header says nothing that contradicts itself.
local function possible(tvb)
  local place, flags = tvb(14, 1):uint(), tvb(15, 1):uint()
  local last, chunk = place >= 0x80, place % 0x80
  if tvb(8, 6):uint64() < UInt64.new(chunk) or flags > 3 or flags >= 2 and not last then
    return false
  end
  return tvb(4, 3):uint() ~= 0 or place == 0x80 and flags == 0
end

local function dissect_data(tvb, tree)
  local sealed = tvb:len() - HEADER_LEN - TAG_LEN
  if sealed < 0 then
    tree:add_proto_expert_info(e.length)
    return ""
  end
  local place, flags = tvb(14, 1):uint(), tvb(15, 1):uint()
  local counter, chunk = tvb(8, 6):uint64(), place % 0x80
  tree:add(f.counter, tvb(8, 6), counter)
  tree:add(f.last, tvb(14, 1))
  tree:add(f.chunk, tvb(14, 1))
  if counter >= UInt64.new(chunk) then
    tree:add(f.message, tvb(8, 7), counter - UInt64.new(chunk)):set_generated()
  end
  local item = tree:add(f.flags, tvb(15, 1))
  item:add(f.flag_offload, tvb(15, 1))
  item:add(f.flag_headers, tvb(15, 1))
  if flags > 3 then
    item:add_proto_expert_info(e.zeros)
  elseif not possible(tvb) then
    tree:add_proto_expert_info(e.chunk)
  end
  if sealed > 0 then
    tree:add(f.ciphertext, tvb(HEADER_LEN, sealed))
  end
  tree:add(f.tag, tvb(HEADER_LEN + sealed, TAG_LEN))

  local where = string.format(" to %08x, counter %s", index_of(tvb), tostring(counter))
  if tvb(4, 3):uint() ~= 0 then
    where = string.format(" VNI %d", tvb(4, 3):uint()) .. where
  end
  if place == 0x80 then
    return where
  end
  return string.format("%s, chunk %d%s", where, chunk, place > 0x80 and ", last" or "")
end

local bodies = {
  [HANDSHAKE1] = dissect_handshake1, [HANDSHAKE2] = dissect_handshake2, [COOKIE] = dissect_cookie,
  [HELLO] = dissect_hello, [OPENER] = dissect_opener,
  [CONTROL] = dissect_data, [DATA] = dissect_data,
}

-- dissect_one shows one datagram and gives a line about it.
local function dissect_one(tvb, tree)
  local kind = kind_of(tvb)
  tree:add(f.kind, tvb(0, 8), kind):set_generated()
  tree:add(f.vxlan_flags, tvb(0, 1))
  local index = tree:add(f.index, tvb(1, 7), index_of(tvb))
  local vni = tree:add(f.vni, tvb(4, 3))
  if kind == RESERVED then
    index:add_proto_expert_info(e.reserved)
    return kinds[kind]
  end
  if kind < RESERVED and tvb(4, 3):uint() ~= 0 then
    vni:add_proto_expert_info(e.zeros)
  end
  local line = kinds[kind] .. bodies[kind](tvb, tree)
  tree:append_text(": " .. line)
  return line
end

-- merged gives the length of the first of several data datagrams that the kernel sent or received as
-- one: all but the last are equally long, and begin alike but for a higher counter. It is the whole
-- length where there is only one.
local function merged(tvb)
  local whole, least = tvb:len(), HEADER_LEN + TAG_LEN
  if not vxmesh.prefs.cut or index_of(tvb) < MIN_INDEX or whole <= 2 * least then
    return whole
  end
  local raw, start = tvb:raw(), tvb:raw(0, 8)
  local counter = tvb(8, 6):uint64()
  local at = raw:find(start, least + 1, true)
  while at and at + least - 1 <= whole do
    local ahead = tvb(at + 7, 6):uint64()
    if ahead > counter and ahead - counter < UInt64.new(8192) then
      return at - 1
    end
    at = raw:find(start, at + 1, true)
  end
  return whole
end

-- dissect_each shows every datagram in what may be several.
local function dissect_each(tvb, pinfo, root)
  local tree = root:add(vxmesh, tvb())
  local whole, size = tvb:len(), merged(tvb)
  local line = dissect_one(tvb(0, size):tvb(), tree)
  local at, n = size, 1
  while at < whole do
    local part = tvb(at, math.min(size, whole - at))
    if part:len() < HEADER_LEN + TAG_LEN then
      tree:add_proto_expert_info(e.length)
      break
    end
    dissect_one(part:tvb(), tree:add(f.datagram, part):set_text("Merged datagram"))
    at, n = at + size, n + 1
  end
  pinfo.cols.info = n == 1 and line or string.format("%s, and %d more", line, n - 1)
end

-- is_ours reports whether the first bytes are those of a datagram between nodes.
local function is_ours(tvb)
  return tvb:len() >= HEADER_LEN and tvb(0, 1):uint() == 0x08
end

function vxmesh.dissector(tvb, pinfo, root)
  if not is_ours(tvb) then
    return 0
  end
  if kind_of(tvb) == PLAIN then
    return udp_port:get_dissector(VXLAN_PORT):call(tvb, pinfo, root)
  end
  pinfo.cols.protocol = "vxmesh"
  dissect_each(tvb, pinfo, root)
  return tvb:len()
end

local shapes = {
  [HANDSHAKE1] = { length = MESSAGE1_LEN, zeros = { 12, 4 } },
  [HANDSHAKE2] = { length = MESSAGE2_LEN, zeros = { 480, 16 } },
  [COOKIE] = { length = COOKIE_LEN, zeros = { 12, 4 } },
  [OPENER] = { length = OPENER_LEN, zeros = { 8, 8 } },
}

-- looks_ours is stricter than is_ours: on a port that nobody named, it must be no other protocol.
local function looks_ours(tvb)
  if not is_ours(tvb) then
    return false
  end
  local kind = kind_of(tvb)
  if kind == DATA or kind == CONTROL then
    return tvb:len() >= HEADER_LEN + TAG_LEN and possible(tvb)
  end
  local shape = shapes[kind]
  return shape and shape.length == tvb:len() and tvb(4, 3):uint() == 0 and
    all_zero(tvb(shape.zeros[1], shape.zeros[2]))
end

vxmesh:register_heuristic("udp", function(tvb, pinfo, root)
  if not looks_ours(tvb) then
    return false
  end
  if shapes[kind_of(tvb)] then -- that is hardly chance: believe what follows as well
    pinfo.conversation = vxmesh
  end
  vxmesh.dissector(tvb, pinfo, root)
  return true
end)

udp_port:add_for_decode_as(vxmesh)
udp_port:add(HELLO_PORT, vxmesh)

-- What control messages say, once they are opened.

local types = {
  [1] = "Ping", [2] = "Pong", [3] = "Close", [4] = "Conflict", [5] = "Relay", [6] = "Relayed",
  [7] = "Unreached", [8] = "Items", [9] = "Summary", [10] = "Digest", [11] = "Want", [12] = "Call",
  [13] = "Answer", [16] = "Redeem", [17] = "Grant", [18] = "Refusal",
}
local causes = { [1] = "No session with it", [2] = "Does not relay", [3] = "Relays as much as it may" }
local candidate_kinds = {
  [10] = "relay", [60] = "predicted", [70] = "host", [75] = "learned", [78] = "forwarded",
  [80] = "reflexive", [85] = "mapped", [90] = "static", [95] = "public", [100] = "ipv6", [110] = "lan",
}

local c = {
  type = ProtoField.uint8("vxmesh_control.type", "Type", base.DEC, types),
  number = ProtoField.uint64("vxmesh_control.number", "Number", base.HEX),
  address = ProtoField.ipv6("vxmesh_control.address", "Address"),
  address4 = ProtoField.ipv4("vxmesh_control.address4", "IPv4 address"),
  port = ProtoField.uint16("vxmesh_control.port", "Port", base.DEC),
  received = ProtoField.uint64("vxmesh_control.received", "Received", base.DEC),
  node = ProtoField.bytes("vxmesh_control.node", "Node's tag"),
  cause = ProtoField.uint8("vxmesh_control.cause", "Cause", base.DEC, causes),
  step = ProtoField.int8("vxmesh_control.step", "Step of the NAT's ports", base.DEC),
  count = ProtoField.uint8("vxmesh_control.count", "Candidates", base.DEC),
  candidate = ProtoField.bytes("vxmesh_control.candidate", "Candidate"),
  candidate_kind = ProtoField.uint8("vxmesh_control.candidate.kind", "Kind", base.DEC, candidate_kinds),
}
control.fields = c

local control_length = ProtoExpert.new("vxmesh_control.length", "The length is not that of its type",
  expert.group.MALFORMED, expert.severity.ERROR)
control.experts = { control_length }

-- add_address shows address 16 and port 2, and gives them as text.
local function add_address(tree, tvb, at)
  tree:add(c.address, tvb(at, 16))
  local text = string.format("[%s]", tostring(tvb(at, 16):ipv6()))
  if all_zero(tvb(at, 10)) and tvb(at + 10, 2):uint() == 0xffff then
    tree:add(c.address4, tvb(at + 12, 4))
    text = tostring(tvb(at + 12, 4):ipv4())
  end
  tree:add(c.port, tvb(at + 16, 2))
  return string.format("%s:%d", text, tvb(at + 16, 2):uint())
end

local function dissect_relay(tvb, pinfo, tree, root)
  tree:add(c.node, tvb(1, 8))
  local inner = tvb(9):tvb()
  vxmesh.dissector(inner, pinfo, root)
  if not is_ours(inner) then
    return " " .. tvb(1, 8):bytes():tohex(true)
  end
  return string.format(" %s: %s", tvb(1, 8):bytes():tohex(true), tostring(pinfo.cols.info))
end

local function dissect_call(tvb, _, tree)
  tree:add(c.number, tvb(1, 8))
  tree:add(c.step, tvb(9, 1))
  tree:add(c.count, tvb(10, 1))
  local count = tvb(10, 1):uint()
  if tvb:len() ~= 11 + 19 * count then
    tree:add_proto_expert_info(control_length)
    return ""
  end
  local all = {}
  for i = 0, count - 1 do
    local at = 11 + 19 * i
    local item = tree:add(c.candidate, tvb(at, 19))
    item:add(c.candidate_kind, tvb(at, 1))
    local kind = tvb(at, 1):uint()
    local line = (candidate_kinds[kind] or kind) .. " " .. add_address(item, tvb, at + 1)
    item:set_text("Candidate: " .. line)
    all[#all + 1] = line
  end
  return ": " .. table.concat(all, ", ")
end

local messages = {
  [1] = { 9, function(tvb, _, tree)
    tree:add(c.number, tvb(1, 8))
    return ""
  end },
  [2] = { 35, function(tvb, _, tree)
    tree:add(c.number, tvb(1, 8))
    local seen = add_address(tree, tvb, 9)
    tree:add(c.received, tvb(27, 8))
    return ", sees it at " .. seen
  end },
  [4] = { 19, function(tvb, _, tree) return " with " .. add_address(tree, tvb, 1) end },
  [5] = { 10, dissect_relay },
  [6] = { 10, dissect_relay },
  [7] = { 10, function(tvb, _, tree)
    tree:add(c.node, tvb(1, 8))
    tree:add(c.cause, tvb(9, 1))
    return string.format(" %s: %s", tvb(1, 8):bytes():tohex(true), causes[tvb(9, 1):uint()] or "?")
  end },
  [12] = { 11, dissect_call },
  [13] = { 11, dissect_call },
}

function control.dissector(tvb, pinfo, root)
  if tvb:len() == 0 or not types[tvb(0, 1):uint()] then
    return 0
  end
  local tree = root:add(control, tvb())
  tree:add(c.type, tvb(0, 1))
  local name, message = types[tvb(0, 1):uint()], messages[tvb(0, 1):uint()]
  local line = name
  if message and tvb:len() < message[1] then
    tree:add_proto_expert_info(control_length)
  elseif message then
    line = name .. message[2](tvb, pinfo, tree, root)
  end
  pinfo.cols.protocol = "vxmesh control"
  pinfo.cols.info = line
  tree:append_text(": " .. line)
  return tvb:len()
end

udp_port:add_for_decode_as(control)

local registered = ""
function vxmesh.prefs_changed()
  if vxmesh.prefs.ports == registered then
    return
  end
  if registered ~= "" then
    udp_port:remove(registered, vxmesh)
  end
  registered = vxmesh.prefs.ports
  if registered ~= "" then
    udp_port:add(registered, vxmesh)
  end
end
