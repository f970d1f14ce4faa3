# nix run 'github:vxmesh/vxmesh?dir=packaging/nix', and a module for NixOS:
#
#   services.vxmesh.networks.home = { segments = [ { vni = 4242; device.addresses = [ "auto" ]; } ]; };
{
  description = "Stretches Ethernet segments between machines over VXLAN, sealed, behind NATs";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = f: nixpkgs.lib.genAttrs systems (system: f nixpkgs.legacyPackages.${system});
    in
    {
      packages = each (pkgs: rec {
        default = vxmesh;
        vxmesh = pkgs.buildGoModule {
          pname = "vxmesh";
          version = "0.1.0";
          src = ../..;
          vendorHash = nixpkgs.lib.fakeHash; # a release fills it in
          subPackages = [ "cmd/vxmesh" ];
          env.CGO_ENABLED = 0;
          ldflags = [ "-s" "-w" "-X main.version=v0.1.0" "-X main.builder=nix" ]
            ++ nixpkgs.lib.optional (self ? rev) "-X main.commit=${self.rev}";
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            installShellCompletion --cmd vxmesh \
              --bash <($out/bin/vxmesh completion bash) \
              --zsh <($out/bin/vxmesh completion zsh) \
              --fish <($out/bin/vxmesh completion fish)
            go run ./internal/genman $out/bin/vxmesh packaging/man/vxmesh.toml.5 man
            installManPage man/*.1 man/*.5
          '';
          meta = {
            homepage = "https://github.com/vxmesh/vxmesh";
            license = nixpkgs.lib.licenses.mit;
            mainProgram = "vxmesh";
          };
        };
      });

      nixosModules.default = { config, lib, pkgs, ... }:
        let
          cfg = config.services.vxmesh;
          toml = pkgs.formats.toml { };
          vxmesh = "${cfg.package}/bin/vxmesh";
          # What is wrong with a file is seen when the system is built.
          file = name: settings:
            let text = toml.generate "${name}.toml" (lib.recursiveUpdate { network.name = name; } settings);
            in pkgs.runCommand "${name}.toml" { } "${vxmesh} config check ${text} && cp ${text} $out";
          # The unit of the other packages, which finds its program in /usr/bin there.
          unit = pkgs.runCommand "vxmesh-unit" { } ''
            mkdir -p $out/lib/systemd/system
            substitute ${../systemd}/vxmesh@.service $out/lib/systemd/system/vxmesh@.service \
              --replace-fail /usr/bin/vxmesh ${vxmesh}
          '';
        in
        {
          options.services.vxmesh = {
            package = lib.mkOption {
              type = lib.types.package;
              default = self.packages.${pkgs.stdenv.hostPlatform.system}.vxmesh;
            };
            networks = lib.mkOption {
              type = lib.types.attrsOf toml.type;
              default = { };
              description = "Networks by name, as their files have them: see vxmesh.toml(5).";
            };
          };
          config = lib.mkIf (cfg.networks != { }) {
            environment.systemPackages = [ cfg.package ];
            environment.etc = lib.mapAttrs' (name: s: lib.nameValuePair "vxmesh/${name}.toml" { source = file name s; }) cfg.networks;
            users.users.vxmesh = { isSystemUser = true; group = "vxmesh"; home = "/var/lib/vxmesh"; };
            users.groups.vxmesh = { };
            systemd.packages = [ unit ];
            systemd.services = lib.mapAttrs' (name: s: lib.nameValuePair "vxmesh@${name}" {
              wantedBy = [ "multi-user.target" ];
              overrideStrategy = "asDropin";
              reloadTriggers = [ (file name s) ];
            }) cfg.networks;
          };
        };
    };
}
