#include "k8s-bootstrap/facts/parse_facts.h"

#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>

#include "base/system_clock.h"
#include "k8s-bootstrap/apply/lock_record.h"
#include "k8s-bootstrap/apply/step_record.h"
#include "k8s-bootstrap/facts/certificate_text.h"
#include "k8s-bootstrap/facts/fact_collector.h"
#include "k8s-bootstrap/facts/fact_words.h"
#include "k8s-bootstrap/pki/x509.h"
#include "k8s-bootstrap/render/hosts_block.h"
#include "k8s-bootstrap/render/sha256.h"
#include "k8s-bootstrap/transport/local_transport.h"
#include "tests/support/temp_dir.h"

namespace fairlead::bootstrap {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

const std::string kHash(64, 'a');

ProbeRequest request() {
  return {.files = {"/etc/a", "/etc/b c", "/etc/d"},
          .modules = {"overlay", "br_netfilter"},
          .sysctls = {"net.ipv4.ip_forward", "kernel.panic"},
          .names = {"mast-1.kube.demo", "192.168.1.11", "api.kube.demo"},
          .packages = {"kubelet", "kubeadm"},
          .programs = {"kubelet", "kubeadm", "runc"},
          .units = {"kubelet", "containerd"},
          .api_port = 6443};
}

ProbeAnswer parsed(const std::string& middle, unsigned uid = 0) {
  auto answer = parse_facts(fmt::format("@begin 1 1000.500000000 {}\n{}@end 1001.000000000\n", uid, middle), request(), seconds(1000));
  EXPECT_TRUE(answer) << (answer ? "" : answer.error().message());
  return answer ? *answer : ProbeAnswer{};
}
MachineFacts facts(const std::string& middle, unsigned uid = 0) { return parsed(middle, uid).facts; }

TEST(ParseFacts, TheSystem) {
  const MachineFacts f = facts(
      "@system\n|kernel 6.1.0-13-amd64\n|arch x86_64\n|host_name mast-1\n|boot_id b\n|machine_id m\n|product_uuid p\n|uptime 75.30 "
      "1.0\n|cpus 2\n"
      "|MemTotal:       2097152 kB\n|swap no\n|cgroup 2\n|systemd yes\n|df /dev/mapper/a b 41152736 4071452  35157900      11% /\n"
      "@os-release\n|NAME=\"Debian GNU/Linux\"\n|ID=debian\n|VERSION_ID=\"12\"\n");
  EXPECT_EQ(f.kernel, "6.1.0-13-amd64");
  EXPECT_EQ(f.os_id + f.os_version, "debian12");
  EXPECT_EQ(f.cpus, 2U);
  EXPECT_EQ(f.memory_bytes, std::uint64_t{2} << 30);
  EXPECT_EQ(f.disk_free_bytes, std::uint64_t{35157900} * 1024);
  EXPECT_EQ(f.swap, Known::kNo);
  EXPECT_EQ(f.systemd, Known::kYes);
  EXPECT_EQ(f.cgroup_version, 2U);
  EXPECT_THAT(f.host_name, "mast-1");
}

TEST(ParseFacts, AnAnswerThatWasCutIsNone) {
  const std::string whole = "@begin 1 1000.5 0\n@system\n|cpus 2\n@end 1001.0\n";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    auto answer = parse_facts(whole.substr(0, length), request(), seconds(1000));
    ASSERT_FALSE(answer) << length;
    EXPECT_EQ(answer.error().code, Errc::kUnavailable);
  }
  EXPECT_TRUE(parse_facts(whole, request(), seconds(1000)));
  auto other = parse_facts("@begin 2 1000.5 0\n@end 1001.0\n", request(), seconds(1000));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Errc::kUnsupported);
}

TEST(ParseFacts, WhatIsMissingIsUnknownAndWhatIsOddIsListed) {
  MachineFacts f = facts("");
  EXPECT_EQ(f.admin_conf, Known::kUnknown);
  EXPECT_EQ(f.swap, Known::kUnknown);
  EXPECT_EQ(f.api_here, Known::kUnknown);
  EXPECT_EQ(f.etcd_data, Known::kUnknown);
  f = facts(
      "@system\n|cpus many\n|swap perhaps\n|what is this\n@new-section\n|x\nno prefix\n@kubernetes\n|admin_conf maybe\n@modules\n|zfs "
      "yes\n");
  EXPECT_EQ(f.cpus, 0U);
  EXPECT_EQ(f.swap, Known::kUnknown);
  EXPECT_EQ(f.admin_conf, Known::kUnknown);
  EXPECT_THAT(f.modules, IsEmpty());
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("cpus many")));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("swap perhaps")));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("new-section")));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("no prefix")));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("admin_conf maybe")));
}

TEST(ParseFacts, WhoIsNotRootDoesNotKnowThatAFileIsAbsent) {
  const std::string text = "@kubernetes\n|admin_conf no\n|kubelet_conf yes\n|etcd_data no\n@files\n|absent /etc/a\n";
  MachineFacts f = facts(text, 0);
  EXPECT_EQ(f.admin_conf, Known::kNo);
  EXPECT_EQ(f.files.count("/etc/a"), 1U);
  f = facts(text, 1000);
  EXPECT_EQ(f.admin_conf, Known::kUnknown);
  EXPECT_EQ(f.etcd_data, Known::kUnknown);
  EXPECT_EQ(f.kubelet_conf, Known::kYes);
  EXPECT_THAT(f.files, IsEmpty());
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("root")));
}

TEST(ParseFacts, FilesArePresentAbsentOrNotKnown) {
  const MachineFacts f = facts("@files\n|absent /etc/a\n|mode 600 /etc/b c\n|mode 644 /etc/d\n|sha256 " + kHash + "  /etc/b c\n|sha256 " +
                               kHash + "  /etc/other\n");
  EXPECT_THAT(f.files, UnorderedElementsAre(Pair("/etc/a", FileFact{}), Pair("/etc/b c", FileFact{true, kHash, 0600})));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("/etc/d cannot be read")));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("/etc/other")));
}

TEST(ParseFacts, CardsModulesSysctlsAndSockets) {
  const MachineFacts f = facts(
      "@links\n|1: lo: <LOOPBACK> mtu 65536\\    link/loopback 00:00:00:00:00:00 brd 00\n|2: eth0@if7: <UP> mtu 1500 \\    link/ether "
      "52:54:00:00:00:01 brd ff\n"
      "@addresses\n|1: lo    inet 127.0.0.1/8 scope host lo\n|2: eth0    inet 192.168.1.11/24 brd 1 scope global eth0\n|2: eth0    inet6 "
      "fe80::1/64 scope link\n"
      "@modules\n|overlay yes\n|br_netfilter no\n@sysctls\n|net.ipv4.ip_forward 1\n"
      "@listening\n|tool ss\n|LISTEN 0 128 0.0.0.0:22 0.0.0.0:* users:((\"sshd\",pid=1,fd=3))\n|LISTEN 0 128 [::]:22 [::]:*\n|LISTEN 0 "
      "4096 *:6443 *:*\n");
  EXPECT_THAT(f.cards, ElementsAre(NetworkCard{"eth0", "52:54:00:00:00:01", {"192.168.1.11/24", "fe80::1/64"}}));
  EXPECT_THAT(f.modules, UnorderedElementsAre(Pair("overlay", true), Pair("br_netfilter", false)));
  EXPECT_THAT(f.sysctls, UnorderedElementsAre(Pair("net.ipv4.ip_forward", "1")));
  EXPECT_THAT(f.listening, UnorderedElementsAre(Pair(22, "sshd"), Pair(6443, "?")));
  const MachineFacts p = facts(
      "@listening\n|tool proc\n|  sl  local_address rem_address   st\n|   0: 00000000:0016 00000000:0000 0A 0\n|   1: 0100007F:1F90 "
      "0100007F:AAAA 01 0\n");
  EXPECT_THAT(p.listening, UnorderedElementsAre(Pair(22, "?")));
}

TEST(ParseFacts, ProgramsPackagesUnitsAndNames) {
  const MachineFacts f = facts(
      "@programs\n|kubelet is Kubernetes v1.36.4\n|kubeadm absent\n|runc is \n"
      "@packages\n|ii |kubelet|1.36.4-1.1\n|hi |kubeadm|1.36.4-1.1\n|rc |docker.io|20\n"
      "@units\n|Id=kubelet.service\n|LoadState=loaded\n|ActiveState=active\n|UnitFileState=enabled\n|\n|Id=containerd.service\n|LoadState="
      "not-found\n|ActiveState=inactive\n|UnitFileState=\n"
      "@names\n|mast-1.kube.demo 0 192.168.1.11   mast-1.kube.demo mast-1\n|192.168.1.11 0 192.168.1.11   mast-1.kube.demo "
      "mast-1\n|api.kube.demo 2 \n");
  EXPECT_THAT(f.programs, UnorderedElementsAre(Pair("kubelet", "1.36.4"), Pair("runc", "?")));
  EXPECT_EQ(f.kubelet_version, "1.36.4");
  EXPECT_THAT(f.packages, UnorderedElementsAre(Pair("kubelet", "1.36.4-1.1"), Pair("kubeadm", "1.36.4-1.1")));
  EXPECT_THAT(f.held, ElementsAre("kubeadm"));
  EXPECT_THAT(f.units, UnorderedElementsAre(Pair("kubelet", "active enabled")));
  EXPECT_THAT(f.resolves, UnorderedElementsAre(Pair("mast-1.kube.demo", "192.168.1.11"), Pair("192.168.1.11", "mast-1.kube.demo"),
                                               Pair("api.kube.demo", "")));
  EXPECT_THAT(facts("@units\n").units, UnorderedElementsAre(Pair("kubelet", "unread"), Pair("containerd", "unread")))
      << "no answer is not a no";
  EXPECT_THAT(facts("@names\n|api.kube.demo 124 \n").resolves, IsEmpty()) << "no answer is not a no";
}

TEST(ParseFacts, WhetherEtcdHasALeader) {
  const std::string open = "@listening\n|tool ss\n|LISTEN 0 1 *:2379 *:*\n";
  const std::string closed = "@listening\n|tool ss\n|LISTEN 0 1 *:22 *:*\n";
  EXPECT_EQ(facts(open + "@etcd\n|tool curl\n|leader 1\n").etcd_leads, Known::kYes);
  EXPECT_EQ(facts(open + "@etcd\n|tool curl\n|leader 0\n").etcd_leads, Known::kNo);
  EXPECT_EQ(facts(open + "@etcd\n|tool curl\n").etcd_leads, Known::kUnknown) << "open and silent";
  EXPECT_EQ(facts(closed + "@etcd\n|tool curl\n").etcd_leads, Known::kNo);
  EXPECT_EQ(facts(open + "@etcd\n|tool curl\n|refused\n").etcd_leads, Known::kNo) << "it listened for a moment";
  EXPECT_EQ(facts("@etcd\n|tool curl\n").etcd_leads, Known::kUnknown) << "what listens is not known";
  const MachineFacts odd = facts(open + "@etcd\n|leader maybe\n");
  EXPECT_EQ(odd.etcd_leads, Known::kUnknown);
  EXPECT_THAT(odd.unsuitable, Contains(HasSubstr("leader maybe")));
}

TEST(ParseFacts, TheApiAnswersDoesNotOrIsNotKnown) {
  const std::string open = "@listening\n|tool ss\n|LISTEN 0 1 *:6443 *:*\n";
  const std::string closed = "@listening\n|tool ss\n|LISTEN 0 1 *:22 *:*\n";
  MachineFacts f = facts(open + "@api\n|tool curl\n|readyz 0 \n|ok\n|code 200\n|version 0 \n|{\"gitVersion\": \"v1.36.4\"}\n|code 200\n");
  EXPECT_EQ(f.api_here, Known::kYes);
  EXPECT_EQ(f.api_version, "1.36.4");
  EXPECT_EQ(facts(open + "@api\n|tool curl\n|readyz 0 \n|etcd failed\n|code 500\n").api_here, Known::kNo);
  EXPECT_EQ(facts(closed + "@api\n|tool curl\n|readyz 7 \n|\n|code 000\n").api_here, Known::kNo);
  f = facts(open + "@api\n|tool curl\n|readyz 28 \n|\n|code 000\n");
  EXPECT_EQ(f.api_here, Known::kUnknown) << "open and silent";
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("readyz")));
  EXPECT_EQ(facts("@api\n|tool curl\n|readyz 7 \n|\n|code 000\n").api_here, Known::kUnknown) << "what listens is not known";
}

TEST(ParseFacts, AGatewayThatAnswersNamesItsVips) {
  MachineFacts f = facts(
      "@kubernetes\n|gateway_socket yes\n@gateway\n|{\"vips\": [{\"name\": \"api\", \"held_here\": true}, {\"name\": \"web\", "
      "\"held_here\": false}]}\n");
  EXPECT_EQ(f.gateway_serves, Known::kYes);
  EXPECT_THAT(f.vips_held, ElementsAre("api"));
  EXPECT_EQ(facts("@kubernetes\n|gateway_socket yes\n@gateway\n|\n|curl 7\n").gateway_serves, Known::kNo) << "refused: nobody is there";
  for (const char* busy : {"|<html>\n|curl 0\n", "|\n|curl 28\n", "|\n"}) {
    f = facts(fmt::format("@kubernetes\n|gateway_socket yes\n@gateway\n{}", busy));
    EXPECT_EQ(f.gateway_serves, Known::kUnknown) << busy;
    EXPECT_THAT(f.unsuitable, Contains(HasSubstr("fairleadd does not answer at its socket"))) << busy;
  }
  EXPECT_EQ(facts("@kubernetes\n|gateway_socket no\n").gateway_serves, Known::kNo);
  EXPECT_EQ(facts("@kubernetes\n|gateway_socket yes\n").gateway_serves, Known::kUnknown);
}

TEST(ParseFacts, StepsThatWereLeft) {
  const MachineFacts f =
      facts("@steps\n|r1 0 no 0 mast-1/join.0\n|r1 3 no 4 mast-1/x.1\n|r1 - yes 3 a.0\n|r2 - no 2 b.0\n|../x 0 no 1 c.0\n|r3 0 no x d.0\n");
  EXPECT_THAT(f.steps, ElementsAre(StepRecord{"r1", "mast-1/join.0", "done", 0}, StepRecord{"r2", "b.0", "interrupted", 0},
                                   StepRecord{"r1", "a.0", "running", 0}, StepRecord{"r1", "mast-1/x.1", "failed", 3}))
      << "as the machine counted them";
  EXPECT_EQ(step_folder("r1", "mast-1/join", 2), "/var/lib/fairlead/bootstrap/runs/r1/mast-1%2Fjoin.2");
  EXPECT_EQ(step_folder("r1", "..", 0), "/var/lib/fairlead/bootstrap/runs/r1/%2E..0");
  EXPECT_FALSE(is_run_id("a/b"));
  EXPECT_FALSE(is_run_id(""));
}

TEST(ParseFacts, ALockIsSomebodysUntilItIsStale) {
  const std::string lock = "@lock\n|token t\n|owner anna\n|host laptop\n|since 2026\n|boot_id b\n|beat 100\n";
  const auto owner = [&](int uptime, const char* boot) {
    return facts(fmt::format("@system\n|boot_id {}\n|uptime {}.5 1\n{}", boot, uptime, lock)).lock_owner;
  };
  EXPECT_EQ(owner(101, "b"), "anna on laptop, since 2026");
  EXPECT_EQ(owner(160, "b"), "anna on laptop, since 2026");
  EXPECT_EQ(owner(161, "b"), "");
  EXPECT_EQ(owner(30, "other"), "anna on laptop, since 2026") << "after a reboot it counts from the boot";
  EXPECT_EQ(owner(61, "other"), "");
  EXPECT_EQ(facts(lock).lock_owner, "anna on laptop, since 2026") << "what is not known frees nothing";
  const MachineFacts damaged = facts("@lock\n|token t\n|owner anna\n|beat x\n");
  EXPECT_EQ(damaged.lock_owner, "somebody unknown");
  EXPECT_THAT(damaged.unsuitable, Contains(HasSubstr("unlock")));
  EXPECT_EQ(judge_lock("", 1, "b").owner, "");
}

TEST(ParseFacts, FilesOfKubeadmThatSomebodyChangedAreListed) {
  const MachineFacts f =
      facts("@changed\n|/etc/kubernetes/manifests/etcd.yaml: FAILED\n|/var/lib/kubelet/config.yaml: FAILED open or read\n|what\n");
  EXPECT_THAT(f.changed, ElementsAre("/etc/kubernetes/manifests/etcd.yaml", "/var/lib/kubelet/config.yaml"));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("what")));
}

TEST(ParseFacts, StandInsAreTakenAndListed) {
  const MachineFacts f = facts(
      "@system\n|swap yes\n|cpus 1\n@stand-ins\n|# a "
      "lab\n|swap=no\n|cpus=4\n|memory=2GiB\n|modules.overlay=yes\n|sysctls.a.b=1\n|units.kubelet=active enabled\n|nonsense=1\n|cpus=x\n");
  EXPECT_EQ(f.swap, Known::kNo);
  EXPECT_EQ(f.cpus, 4U);
  EXPECT_EQ(f.memory_bytes, std::uint64_t{2} << 30);
  EXPECT_TRUE(f.modules.at("overlay"));
  EXPECT_EQ(f.sysctls.at("a.b"), "1");
  EXPECT_THAT(f.stand_ins, ElementsAre("cpus", "memory", "modules.overlay", "swap", "sysctls.a.b", "units.kubelet"));
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("nonsense")));
}

TEST(StepRecords, RunsGoWhoseOperationsAllHaveALaterRecordAndOnlyThey) {
  std::vector<StepRecord> records;
  const auto add = [&](const std::string& run, const std::string& step, const std::string& state = "done") {
    records.push_back({run, step, state, 0});
  };
  add("r0", "a/cordon.0");
  add("r0", "a/once.0");
  add("r1", "a/files.0");
  add("r1", "a/join.1", "failed");
  add("r2", "a/files.0", "running");
  add("r2", "a/join.1");
  EXPECT_THAT(superseded_runs(records), IsEmpty());
  for (int run = 3; run < 13; ++run) add(fmt::format("r{}", run), "a/files.0");
  EXPECT_THAT(superseded_runs(records), ElementsAre("r1")) << "r2 has one at work and the last join, r0 the only ones of its kind";
  add("r13", "a/join.1");
  EXPECT_THAT(superseded_runs(records), ElementsAre("r3", "r1"));
}

TEST(ParseFacts, TheClocksDifferenceIsMeasuredBetweenTheCalls) {
  const ProbeAnswer answer = parsed("");  // There: 1000.5 to 1001.0.
  ClockOffset offset = clock_offset(milliseconds(900'400), answer, milliseconds(901'100));
  EXPECT_EQ(offset.offset, seconds(100));
  EXPECT_NEAR(to_seconds(offset.error), 0.1, 1e-6);
  offset = clock_offset(milliseconds(1'000'500), answer, milliseconds(1'001'000));
  EXPECT_EQ(offset.offset, Duration::zero());
  EXPECT_LT(offset.error, milliseconds(1));
}

/// A CA's, that ends 365 days after `now`.
std::string certificate_of(WallTime now) {
  auto ca = make_ca("ECDSA-P256", {.common_name = "kubernetes", .organization = {}, .now = now, .validity = hours(24 * 365)});
  return ca ? ca->certificate : "";
}

std::string base64(std::string_view text) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += 3) {
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = (bits << 8U) | (at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i) out += at + i <= text.size() ? kDigits[(bits >> (18 - 6 * i)) & 63U] : '=';
  }
  return out;
}

TEST(ParseFacts, CertificatesInPemAndAsKubeconfigsHaveThem) {
  const WallTime now{seconds(1'795'796'640)};
  const std::string pem = certificate_of(now);
  const Duration today = now.time_since_epoch();
  auto read = read_certificate("/x.crt", pem, today + seconds(1));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->days_left, 364);
  EXPECT_EQ(read->serial, read_certificate(pem)->serial);
  EXPECT_EQ(read->public_key_sha256, read_certificate(pem)->public_key_sha256);
  EXPECT_EQ(read_certificate("/x.crt", pem, today + hours(24 * 365) + seconds(1))->days_left, -1);
  EXPECT_EQ(read_certificate("/x.crt", "data " + base64(pem) + "\n", today + seconds(1)), read);
  for (const std::string& text :
       {std::string("Could not read\n"), std::string(), std::string("data *\n"), std::string("data \n"), pem.substr(0, 200)})
    EXPECT_FALSE(read_certificate("/x.crt", text, today)) << text;
  const MachineFacts f = facts("@certificates\n|path /etc/kubernetes/pki/ca.crt\n|unable to load\n");
  EXPECT_THAT(f.certificates, IsEmpty());
  EXPECT_THAT(f.unsuitable, Contains(HasSubstr("/etc/kubernetes/pki/ca.crt")));
}

TEST(ParseFacts, ACertificateWithoutAnEndThatCanBeCountedIsFarFromIt) {
  auto ca =
      make_ca("ECDSA-P256", {.common_name = "x", .organization = {}, .now = WallTime{seconds(8'999'999'000)}, .validity = hours(100)});
  ASSERT_TRUE(ca);
  EXPECT_GT(read_certificate("/x.crt", ca->certificate, seconds(1'795'796'640))->days_left, 80'000);
}

TEST(ParseFacts, VersionsInWords) {
  EXPECT_EQ(version_in("Client Version: v1.36.4"), "1.36.4");
  EXPECT_EQ(version_in("containerd github.com/containerd/containerd/v2 v2.3.4 abcdef"), "2.3.4");
  EXPECT_EQ(version_in("Corosync Cluster Engine, version '3.1.7'"), "3.1.7");
  EXPECT_EQ(version_in("runc version 1.1.5+ds1"), "1.1.5+ds1");
  EXPECT_EQ(version_in("v1.36.4"), "1.36.4");
  EXPECT_EQ(version_in("no version 7 here"), "");
}

/// The script itself, on this machine, by every shell there is.
class ProbeIn : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Shells, ProbeIn, ::testing::Values("dash", "bash", "busybox"), [](const auto& shell) { return shell.param; });

TEST_P(ProbeIn, ReadsThisMachine) {
  const test::TempDir folder;
  std::ofstream(folder.path("it's a file")) << "hello";
  ProbeRequest wanted;
  wanted.files = {folder.path("it's a file"), folder.path("none")};
  wanted.sysctls = {"kernel.ostype"};
  wanted.modules = {"no_such_module"};
  wanted.names = {"localhost", "127.0.0.1"};
  wanted.packages = {"dash", "no-such-package"};
  wanted.programs = {"openssl", "no-such-program"};
  wanted.units = {"ssh"};
  ProgramCall call;
  call.argv = {GetParam()};
  if (call.argv.front() == "busybox") call.argv.emplace_back("ash");
  call.input = probe_script(wanted);
  auto done = run_program(call);
  if (!done && done.error().code == Errc::kNotFound) GTEST_SKIP() << done.error().message();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->errors, "");
  auto answer = parse_facts(done->output, wanted, seconds(1'700'000'000));
  ASSERT_TRUE(answer) << answer.error().message() << done->output;
  const MachineFacts& f = answer->facts;
  EXPECT_GE(f.cpus, 1U);
  EXPECT_GT(f.memory_bytes, std::uint64_t{1} << 28);
  EXPECT_GT(f.disk_free_bytes, 0U);
  EXPECT_FALSE(f.boot_id.empty());
  EXPECT_EQ(f.sysctls.at("kernel.ostype"), "Linux");
  EXPECT_FALSE(f.modules.at("no_such_module"));
  EXPECT_EQ(f.resolves.count("localhost"), 1U);
  EXPECT_EQ(f.packages.count("dash"), 1U);
  EXPECT_EQ(f.programs.count("no-such-program"), 0U);
  EXPECT_EQ(f.files.at(wanted.files[0]).sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  EXPECT_EQ(f.files.count(wanted.files[1]) > 0 && f.files.at(wanted.files[1]).present, false);
  EXPECT_NE(f.swap, Known::kUnknown);
  EXPECT_GE(answer->ended, answer->begun);
}

TEST_P(ProbeIn, BringsCertificatesAndNoKeyThatStandsBesideThem) {
  const test::TempDir folder;
  const WallTime now{seconds(1'795'796'640)};
  const std::string pem = certificate_of(now);
  const std::string key = "-----BEGIN EC PRIVATE KEY-----\nQ0FOQVJZ\n-----END EC PRIVATE KEY-----\n";
  for (const char* name : {"pki", "pki/etcd", "kubelet"}) std::filesystem::create_directory(folder.path(name));
  std::ofstream(folder.path("pki/ca.crt")) << "# made by hand\n" << pem << pem;
  std::ofstream(folder.path("pki/etcd/ca.crt")) << pem.substr(0, pem.size() - 1);  // Without its last newline.
  std::ofstream(folder.path("kubelet/kubelet-client-current.pem")) << key << pem << key;
  std::ofstream(folder.path("admin.conf")) << "users:\n- user:\n    client-certificate-data: " << base64(pem)
                                           << "\n    client-key-data: Q0FOQVJZ\n";
  std::ofstream(folder.path("kubelet.conf")) << "users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/x.pem\n";
  std::string script = probe_script({});
  for (const auto& [from, to] : {std::pair("/etc/kubernetes/", "/"), std::pair("/var/lib/kubelet/pki/", "/kubelet/")})
    for (std::size_t at = script.find(from); at != std::string::npos; at = script.find(from, at + 1))
      script.replace(at, std::string_view(from).size(), folder.path("") + (to + 1));
  ProgramCall call;
  call.argv = {GetParam()};
  if (call.argv.front() == "busybox") call.argv.emplace_back("ash");
  call.input = script;
  auto done = run_program(call);
  if (!done && done.error().code == Errc::kNotFound) GTEST_SKIP() << done.error().message();
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->errors, "");
  EXPECT_THAT(done->output, Not(HasSubstr("Q0FOQVJZ")));
  auto answer = parse_facts(done->output, {}, now.time_since_epoch());
  ASSERT_TRUE(answer) << answer.error().message() << done->output;
  std::vector<std::string> names;
  for (const CertificateFact& each : answer->facts.certificates) {
    names.push_back(each.path.substr(folder.path("").size()));
    EXPECT_EQ(each.serial, read_certificate(pem)->serial) << each.path;
  }
  EXPECT_THAT(names, ElementsAre("pki/ca.crt", "pki/etcd/ca.crt", "kubelet/kubelet-client-current.pem", "admin.conf"));
}

TEST_P(ProbeIn, ReadsTheHostsBlockOutOfTheHostsFileAndNotTheFileThatItCameIn) {
  const test::TempDir folder;
  const std::string block = fmt::format("{}\n10.0.0.1 a.kube.demo a\n{}\n", kHostsBegin, kHostsEnd);
  ProbeRequest wanted;
  wanted.files = {std::string(kHostsBlockPath)};
  std::string script = probe_script(wanted);
  const std::string place = fmt::format("'{}'", kHostsPath);
  ASSERT_NE(script.find(place), std::string::npos);
  script.replace(script.find(place), place.size(), "'" + folder.path("hosts") + "'");
  ProgramCall call;
  call.argv = {GetParam()};
  if (call.argv.front() == "busybox") call.argv.emplace_back("ash");
  call.input = script;
  const auto fact = [&](const std::string& hosts) {
    std::ofstream(folder.path("hosts")) << hosts;
    auto done = run_program(call);
    auto answer = done ? parse_facts(done->output, wanted, seconds(1'700'000'000)) : Result<ProbeAnswer>(done.error());
    return answer ? answer->facts.files : std::map<std::string, FileFact>{};
  };
  if (auto there = run_program(call); !there && there.error().code == Errc::kNotFound) GTEST_SKIP() << there.error().message();
  const std::string path(kHostsBlockPath);
  EXPECT_THAT(fact("127.0.0.1 localhost\n" + block), ElementsAre(Pair(path, FileFact{true, sha256(block), 0644})));
  const std::string edited = fmt::format("{}\n10.0.0.9 a.kube.demo a\n{}\n", kHostsBegin, kHostsEnd);
  EXPECT_THAT(fact(edited), ElementsAre(Pair(path, FileFact{true, sha256(edited), 0644})));
  const auto gone = fact("127.0.0.1 localhost\n");
  EXPECT_TRUE(gone.empty() || !gone.at(path).present);
}

TEST(CollectFacts, AsksAboutThePackagesThatAreWantedBesideItsOwn) {
  Site site;
  site.machines.emplace_back();
  site.machines[0].name = "here";
  site.machines[0].roles = {Role::kBastion};
  site.machines[0].addresses = {{"net", *parse_ip_address("127.0.0.1")}};
  LocalTransport transport(std::map<std::string, LocalTransport::Place>{{"here", LocalTransport::Place{}}});
  CollectOptions options;
  EXPECT_EQ(collect_facts(site, transport, SystemClock(), options).machines["here"].packages.count("dash"), 0U);
  options.packages = [](const Machine& machine) { return std::vector<std::string>{machine.name == "here" ? "dash" : "", "no-such-one"}; };
  const Facts facts = collect_facts(site, transport, SystemClock(), options);
  ASSERT_EQ(facts.machines.count("here"), 1U) << facts.unread.at("here");
  EXPECT_EQ(facts.machines.at("here").packages.count("dash"), 1U);
  EXPECT_EQ(facts.machines.at("here").packages.count("no-such-one"), 0U);
}

TEST(LocalTransport, RunsPutsAndFetches) {
  const test::TempDir folder;
  LocalTransport transport(std::map<std::string, LocalTransport::Place>{{"here", LocalTransport::Place{}}});
  auto result = transport.run("here", {.script = "cat; echo no >&2; exit 4", .input = "in"});
  ASSERT_TRUE(result) << result.error().message();
  EXPECT_EQ(result->exit_code, 4);
  EXPECT_EQ(result->output, "in");
  EXPECT_EQ(result->errors, "no\n");
  std::string bytes;
  for (int i = 0; i < 2'000'000; ++i) bytes += static_cast<char>(i * 13);
  std::ofstream(folder.path("from"), std::ios::binary) << bytes;
  auto put = transport.put("here", folder.path("from"), folder.path("deep/to"), 0640);
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(test::TempDir::read(folder.path("deep/to")), bytes);
  auto fetched = transport.fetch("here", folder.path("deep/to"), folder.path("back"));
  ASSERT_TRUE(fetched) << fetched.error().message();
  EXPECT_EQ(test::TempDir::read(folder.path("back")), bytes);
  fetched = transport.fetch("here", folder.path("nothing"), folder.path("back"));
  ASSERT_FALSE(fetched);
  EXPECT_EQ(fetched.error().code, Errc::kNotFound);
  EXPECT_EQ(test::TempDir::read(folder.path("back")), bytes) << "what was there stays";
  EXPECT_FALSE(transport.run("nowhere", {.script = "", .input = {}}));
  auto overdue = transport.run("here", {.script = "exec tail -f /dev/null", .input = {}, .timeout = milliseconds(200)});
  ASSERT_FALSE(overdue);
  EXPECT_EQ(overdue.error().code, Errc::kTimeout);
}

}  // namespace
}  // namespace fairlead::bootstrap
