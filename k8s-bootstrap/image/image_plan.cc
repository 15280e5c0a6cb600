// fairlead: pure
// mmdebstrap(1), mke2fs(8), qemu-system-x86_64(1).
#include "k8s-bootstrap/image/image_plan.h"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <set>

#include "k8s-bootstrap/image/image_scripts.h"
#include "k8s-bootstrap/transport/shell_session.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::uint64_t kMiB = 1ULL << 20U;
constexpr std::uint64_t kGiB = 1ULL << 30U;
constexpr std::uint64_t kBuilderDiskMax = 16 * kGiB;  ///< The system as it comes from mmdebstrap; the file is sparse.

constexpr std::string_view kGrowUnit = R"([Unit]
Description=Gives new space of the disk to volumes, as /etc/fairlead/grow says
After=local-fs.target
ConditionPathExists=/etc/fairlead/grow

[Service]
Type=oneshot
ExecStart=/usr/lib/fairlead/grow

[Install]
WantedBy=multi-user.target
)";

/// A list of steps that is written down one after the other.
class Steps {
 public:
  void run(std::string what, std::vector<std::string> argv, Duration timeout = std::chrono::minutes(10)) {
    HostStep step;
    step.what = std::move(what);
    step.argv = std::move(argv);
    step.timeout = timeout;
    steps_.push_back(std::move(step));
  }
  void write(std::string what, std::string path, std::string text, unsigned mode) {
    HostStep step;
    step.kind = HostStep::Kind::kWrite;
    step.what = std::move(what);
    step.path = std::move(path);
    step.text = std::move(text);
    step.mode = mode;
    steps_.push_back(std::move(step));
  }
  void path(HostStep::Kind kind, std::string what, std::string path, std::string to = {}) {
    HostStep step;
    step.kind = kind;
    step.what = std::move(what);
    step.path = std::move(path);
    step.text = std::move(to);
    steps_.push_back(std::move(step));
  }
  [[nodiscard]] std::vector<HostStep> take() { return std::move(steps_); }

 private:
  std::vector<HostStep> steps_;
};

std::uint64_t volume_bytes(const Image& image) {
  std::uint64_t out = 0;
  for (const Image::Volume& volume : image.volumes) out += volume.size;
  return out;
}

std::vector<std::string> mmdebstrap(const Image& image, const ImagePlaces& places, const std::string& tar) {
  std::vector<std::string> out{"mmdebstrap",
                               "--mode=root",
                               "--variant=minbase",
                               "--format=tar",
                               fmt::format("--include={}", fmt::join(image_packages(image, places.kernel), ",")),
                               "--aptopt=APT::Install-Recommends \"false\"",
                               "--aptopt=Acquire::Languages \"none\"",
                               image.release,
                               tar};
  if (!places.mirror.empty()) out.push_back(places.mirror);
  return out;
}

std::vector<std::string> builder_vm(const ImageBuild& build, bool kvm) {
  const std::string& work = build.work;
  std::vector<std::string> out{"qemu-system-x86_64",
                               "-accel",
                               kvm ? "kvm" : "tcg,thread=multi",
                               "-cpu",
                               kvm ? "host" : "max",
                               "-smp",
                               "2",
                               "-m",
                               "1024M",
                               "-nodefaults",
                               "-no-user-config",
                               "-no-reboot",
                               "-display",
                               "none",
                               "-kernel",
                               work + "/vmlinuz",
                               "-initrd",
                               work + "/initrd",
                               "-append",
                               "root=LABEL=flbuild rw init=/fairlead-build console=ttyS0 quiet panic=-1",
                               "-serial",
                               "file:" + build.console,
                               "-device",
                               "virtio-rng-pci"};
  const auto disk = [&](const char* id, const std::string& format, const std::string& file) {
    out.emplace_back("-drive");
    out.push_back(fmt::format("id={},if=none,cache=unsafe,format={},file={}", id, format, file));
    out.emplace_back("-device");
    out.push_back(fmt::format("virtio-blk-pci,drive={0},serial=fl{0}", id));
  };
  disk("system", "raw", work + "/system.img");
  disk("target", "qcow2", work + "/disk.qcow2");
  disk("result", "raw", build.result);
  return out;
}

void add_system(Steps& steps, const Image& image, const ImagePlaces& places, const ImageBuild& build) {
  const std::string& work = build.work;
  const std::string tar = work + "/system.tar";
  const std::string root = work + "/root";
  steps.run("fetches the packages of Debian " + image.release, mmdebstrap(image, places, tar), std::chrono::minutes(90));
  steps.path(HostStep::Kind::kMakeFolder, "makes a folder for the system", root);
  steps.run("unpacks the system", {"tar", "--xattrs", "--xattrs-include=*", "--acls", "-C", root, "-xpf", tar}, std::chrono::minutes(30));
  steps.run("writes down its packages",
            {"sh", "-c",
             fmt::format("dpkg-query --root={} -W -f='${{Package}} ${{Version}} ${{Architecture}}\\n' | LC_ALL=C sort >{}",
                         shell_quote(root), shell_quote(work + "/manifest"))});
  steps.write("writes its builder", root + "/fairlead-build", builder_script(image), 0700);
  steps.run("makes the folder of its growth", {"mkdir", "-p", root + "/usr/lib/fairlead"});
  steps.write("writes its growth", root + "/usr/lib/fairlead/grow", std::string(kGrowScript), 0755);
  steps.write("writes its growth's unit", root + "/etc/systemd/system/fairlead-grow.service", std::string(kGrowUnit), 0644);
  steps.run("takes its kernel",
            {"sh", "-c", fmt::format("cd {0} && cp root/boot/vmlinuz-* vmlinuz && cp root/boot/initrd.img-* initrd", shell_quote(work))});
}

}  // namespace

Image whole_image(const Image& image) {
  Image out = image;
  if (out.disk == 0) out.disk = kImageDisk;
  if (out.boot == 0) out.boot = kImageBoot;
  if (out.volumes.empty())
    out.volumes = {{"root", 2 * kGiB}, {"home", 2 * kGiB}, {"opt", kGiB}, {"tmp", kGiB}, {"usr", 10 * kGiB}, {"var", 10 * kGiB}};
  if (out.grow.empty()) out.grow = {{out.volumes.back().name, "100%"}};
  return out;
}

std::vector<std::string> image_packages(const Image& image, std::string_view kernel) {
  std::set<std::string> all{"ca-certificates",
                            "chrony",
                            "cloud-guest-utils",
                            "cloud-init",
                            "dbus",
                            "e2fsprogs",
                            "fdisk",
                            "grub-pc-bin",
                            "grub2-common",
                            "initramfs-tools",
                            "iproute2",
                            "libpam-systemd",
                            "lvm2",
                            "openssh-server",
                            "sudo",
                            "systemd-resolved",
                            "systemd-sysv",
                            "udev",
                            std::string(kernel)};
  all.insert(image.packages.begin(), image.packages.end());
  return {all.begin(), all.end()};
}

std::string grow_rules(const Image& image) {
  std::string out;
  for (const Image::Growth& growth : image.grow) out += fmt::format("{} {}\n", growth.name, growth.share);
  return out;
}

std::string builder_script(const Image& image) {
  std::vector<std::string> volumes;
  for (const Image::Volume& volume : image.volumes) volumes.push_back(fmt::format("{} {}", volume.name, volume.size / kMiB));
  std::string rules = grow_rules(image);
  if (!rules.empty()) rules.pop_back();
  return fmt::format("#!/bin/bash\nboot_mib={}\nvolumes={}\ngrow={}\n{}", image.boot / kMiB,
                     shell_quote(fmt::format("{}", fmt::join(volumes, "\n"))), shell_quote(rules), kBuilderScript);
}

std::string grow_now_script(const Image& image) {
  return fmt::format(
      "set -u\nwork=$(mktemp -d) || exit 1\ntrap 'rm -rf \"$work\"' EXIT\n"
      "[ -r /etc/fairlead/grow ] || {{ echo 'this machine was not made from an image of fairlead image build' >&2; exit 1; }}\n"
      "{{ sed -n '/^keep /p' /etc/fairlead/grow; printf '%s' {}; }} >\"$work/rules\"\n"
      "cat \"$work/rules\" >/etc/fairlead/grow\n"
      "cat >\"$work/grow\" <<'FAIRLEAD_END'\n{}FAIRLEAD_END\n"
      "sh \"$work/grow\" && lvs --noheadings --units m -o lv_name,lv_size vg0\n",
      shell_quote(grow_rules(image)), kGrowScript);
}

ImageBuild plan_image(const Image& image, const ImagePlaces& places) {
  using Kind = HostStep::Kind;
  ImageBuild out;
  out.work = fmt::format("{}/.build-{}", places.images, image.name);
  out.image = fmt::format("{}/{}.qcow2", places.images, image.name);
  out.console = out.work + "/console.log";
  out.result = out.work + "/result.img";
  const std::string root = out.work + "/root";
  const std::string system = out.work + "/system.img";
  const std::string disk = out.work + "/disk.qcow2";
  Steps make;
  make.path(Kind::kRemove, "removes what an earlier build left", out.work);
  make.path(Kind::kMakeFolder, "makes its work folder", out.work);
  add_system(make, image, places, out);
  make.run("makes the builder's disk",
           {"mke2fs", "-q", "-t", "ext4", "-m", "0", "-L", "flbuild", "-d", root, system,
            fmt::format("{}m", std::min(volume_bytes(image), kBuilderDiskMax) / kMiB)},
           std::chrono::minutes(30));
  make.path(Kind::kRemove, "removes the folder of the system", root);
  make.run("makes the image's disk", {"qemu-img", "create", "-q", "-f", "qcow2", disk, std::to_string(image.disk)});
  make.run("makes the result's disk", {"truncate", "-s", "1M", out.result});
  make.run("puts the system onto volumes, in the builder VM", builder_vm(out, places.kvm), std::chrono::minutes(90));
  out.make = make.take();

  Steps finish;
  finish.path(Kind::kRename, "puts its manifest in place", out.work + "/manifest",
              fmt::format("{}/{}.manifest", places.images, image.name));
  finish.path(Kind::kRename, "puts the image in place", disk, out.image);
  finish.path(Kind::kRemove, "removes the work folder", out.work);
  out.finish = finish.take();
  return out;
}

}  // namespace fairlead::bootstrap
