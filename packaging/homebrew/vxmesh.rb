# A formula for a tap: `brew install vxmesh/tap/vxmesh`. A release fills in version and checksum.
class Vxmesh < Formula
  desc "Stretches Ethernet segments between machines over VXLAN, sealed, behind NATs"
  homepage "https://github.com/vxmesh/vxmesh"
  url "https://github.com/vxmesh/vxmesh/archive/refs/tags/v0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"
  license "MIT"
  head "https://github.com/vxmesh/vxmesh.git", branch: "main"

  depends_on "go" => :build

  def install
    ENV["CGO_ENABLED"] = "0"
    ldflags = "-s -w -X main.version=v#{version} -X main.builder=homebrew"
    system "go", "build", *std_go_args(ldflags:), "./cmd/vxmesh"
    generate_completions_from_executable(bin/"vxmesh", "completion")
    system "go", "run", "./internal/genman", bin/"vxmesh", "packaging/man/vxmesh.toml.5", "man"
    man1.install Dir["man/*.1"]
    man5.install "man/vxmesh.toml.5"
    pkgshare.install "packaging/grafana", "packaging/prometheus", "packaging/wireshark", "examples"
  end

  def caveats
    <<~EOS
      A network runs as a service of this machine with
        sudo vxmesh service install NETWORK
      A device of kind "tap" is a pair of feth interfaces here, one of kind "tun" a utun.
    EOS
  end

  test do
    assert_match "v#{version}", shell_output("#{bin}/vxmesh version")
    (testpath/"home.toml").write shell_output("#{bin}/vxmesh config example")
    assert_match "[network]", (testpath/"home.toml").read
  end
end
