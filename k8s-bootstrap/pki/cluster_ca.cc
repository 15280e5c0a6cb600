#include "k8s-bootstrap/pki/cluster_ca.h"

#include <array>
#include <fmt/format.h>

#include "base/atomic_file.h"

namespace fairlead::bootstrap {
namespace {

struct Authority {
  std::string_view name;         ///< Below pki/, without its ending.
  std::string_view common_name;  ///< As kubeadm's.
};
constexpr std::array kAuthorities{Authority{"ca", "kubernetes"}, Authority{"front-proxy-ca", "front-proxy-ca"},
                                  Authority{"etcd/ca", "etcd-ca"}};
constexpr std::string_view kFolder = "pki/";
constexpr std::string_view kOnPlane = "/etc/kubernetes/pki/";

std::string file(std::string_view name, std::string_view ending) { return fmt::format("{}{}{}", kFolder, name, ending); }

Error conflict(const StateDir& dir, const std::string& name, std::string_view why, std::string_view remedy) {
  return Error{Errc::kConflict, fmt::format("{}: {}: {}", dir.path(name), why, remedy)};
}

/// The pair of files as it is; two empty texts: neither is there.
Result<KeyPair> read_pair(const StateDir& dir, const std::string& open, const std::string& secret) {
  const auto first = dir.read_public(open);
  if (!first) return first.error();
  const auto second = dir.read_secret(secret);
  if (!second) return second.error();
  if (first->has_value() != second->has_value()) {
    const std::string& missing = first->has_value() ? secret : open;
    return conflict(dir, missing, "it is missing, and its other half is there",
                    "put it back from your backup, or move the other half away as well");
  }
  return KeyPair{first->value_or(""), second->value_or("")};
}

/// Both lie whole beside their places before either is there: whoever is killed in between leaves nothing half-written.
Status write_pair(const StateDir& dir, const KeyPair& pair, const std::string& open, const std::string& secret) {
  if (const auto slash = open.rfind('/'); slash != std::string::npos) {
    if (auto made = dir.make_folder(open.substr(0, slash)); !made) return made;
  }
  auto key = StagedFile::write(dir.path(secret), pair.key, 0600);
  if (!key) return key.error();
  auto certificate = StagedFile::write(dir.path(open), pair.certificate, 0644);
  if (!certificate) return certificate.error();
  if (auto there = key->put_in_place(); !there) return there;
  return certificate->put_in_place();
}

Status check_kept(const StateDir& dir, const KeyPair& pair, const std::string& open, bool must_be_ca, WallTime now) {
  if (const auto fits = check_pair(pair); !fits)
    return conflict(dir, open, fits.error().context, "put the pair back that belongs together");
  const auto info = read_certificate(pair.certificate);
  if (!info) return conflict(dir, open, info.error().context, "put the pair back from your backup");
  if (must_be_ca && !info->is_ca) return conflict(dir, open, "it is no CA's certificate", "put the CA's pair here");
  if (must_be_ca && info->not_after <= now)
    return conflict(dir, open, "the CA is past its end", "a new CA means a new cluster, or a rotation by hand");
  return {};
}

Result<KeyPair> ensure_authority(const StateDir& dir, const Pki& pki, const Authority& authority, WallTime now, MadePki& done) {
  const std::string open = file(authority.name, ".crt");
  const std::string secret = file(authority.name, ".key");
  auto pair = read_pair(dir, open, secret);
  if (!pair) return pair.error();
  const bool there = !pair->certificate.empty();
  if (there) {
    if (const auto kept = check_kept(dir, *pair, open, true, now); !kept) return kept.error();
  } else {
    pair = make_ca(pki.algorithm, {std::string(authority.common_name), "", now, pki.ca_validity});
    if (!pair) return pair.error();
    if (const auto written = write_pair(dir, *pair, open, secret); !written) return written.error();
  }
  auto& list = there ? done.kept : done.made;
  list.insert(list.end(), {open, secret});
  return pair;
}

Status ensure_service_account_key(const StateDir& dir, const Pki& pki, MadePki& done) {
  const std::string open = file("sa", ".pub");
  const std::string secret = file("sa", ".key");
  const auto pair = read_pair(dir, open, secret);
  if (!pair) return pair.error();
  if (!pair->key.empty()) {
    const auto half = public_key_of(pair->key);
    if (!half) return conflict(dir, secret, half.error().context, "put it back from your backup");
    if (*half != pair->certificate)
      return conflict(dir, open, "it is not the public half of sa.key", "put the pair back that belongs together");
    done.kept.insert(done.kept.end(), {open, secret});
    return {};
  }
  const auto key = make_private_key(pki.algorithm);
  if (!key) return key.error();
  const auto half = public_key_of(*key);
  if (!half) return half.error();
  done.made.insert(done.made.end(), {open, secret});
  return write_pair(dir, {*half, *key}, open, secret);
}

Status write_check_certificate(const StateDir& dir, const Pki& pki, const KeyPair& ca, WallTime now) {
  const auto made = issue_client_certificate(ca, pki.algorithm, {std::string(kCheckName), "", now, pki.validity});
  if (!made) return made.error();
  return write_pair(dir, *made, file(kCheckName, ".crt"), file(kCheckName, ".key"));
}

Status ensure_check_certificate(const StateDir& dir, const Pki& pki, const KeyPair& ca, WallTime now, MadePki& done) {
  const std::string open = file(kCheckName, ".crt");
  const std::string secret = file(kCheckName, ".key");
  const auto pair = read_pair(dir, open, secret);
  if (!pair) return pair.error();
  const bool there = !pair->certificate.empty();
  auto& list = there ? done.kept : done.made;
  list.insert(list.end(), {open, secret});
  if (!there) return write_check_certificate(dir, pki, ca, now);
  if (auto kept = check_kept(dir, *pair, open, false, now); !kept) return kept;
  if (const auto ours = check_signed_by(pair->certificate, ca.certificate); !ours)
    return conflict(dir, open, ours.error().context, "move it and its key away: the next run makes another");
  return {};
}

}  // namespace

std::vector<PkiFile> cluster_pki_files() {
  std::vector<PkiFile> out;
  const auto add = [&](std::string_view name, std::string_view open, bool on_planes) {
    for (const auto& [ending, secret] : {std::pair{open, false}, std::pair<std::string_view, bool>{".key", true}})
      out.push_back({file(name, ending), on_planes ? fmt::format("{}{}{}", kOnPlane, name, ending) : "", secret});
  };
  for (const Authority& authority : kAuthorities) add(authority.name, ".crt", true);
  add("sa", ".pub", true);
  add(kCheckName, ".crt", false);
  return out;
}

Result<MadePki> make_cluster_ca(const StateDir& dir, const Pki& pki, WallTime now) {
  MadePki done;
  KeyPair kubernetes;
  for (const Authority& authority : kAuthorities) {
    auto pair = ensure_authority(dir, pki, authority, now, done);
    if (!pair) return pair.error();
    if (authority.name == "ca") kubernetes = std::move(*pair);
  }
  if (const auto key = ensure_service_account_key(dir, pki, done); !key) return key.error();
  if (const auto check = ensure_check_certificate(dir, pki, kubernetes, now, done); !check) return check.error();
  return done;
}

Status renew_check_certificate(const StateDir& dir, const Pki& pki, WallTime now) {
  const std::string open = file("ca", ".crt");
  const auto ca = read_pair(dir, open, file("ca", ".key"));
  if (!ca) return ca.error();
  if (ca->key.empty()) return Error{Errc::kNotFound, fmt::format("{} is not here: make the CA first", dir.path(open))};
  if (auto kept = check_kept(dir, *ca, open, true, now); !kept) return kept;
  return write_check_certificate(dir, pki, *ca, now);
}

Result<std::string> ca_hash(std::string_view ca_certificate) {
  const auto info = read_certificate(ca_certificate);
  if (!info) return info.error();
  return "sha256:" + info->public_key_sha256;
}

}  // namespace fairlead::bootstrap
