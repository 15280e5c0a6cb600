#include "lab/certificates.h"

#include <array>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "lab/lab_process.h"

namespace fairlead::lab {
namespace {

Status openssl(std::vector<std::string> arguments) {
  std::vector<std::string> argv{"openssl", "req",   "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                                "-nodes",  "-days", "3650"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  const auto done = run_tool(argv);
  if (!done) return done.error();
  if (done->exit_code == 0) return {};
  return Error{Errc::kUnavailable, "openssl: " + done->output};
}

}  // namespace

Status make_authority(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0) return errno_error("mkdir " + folder);
  return openssl({"-subj", "/CN=fairlead lab", "-keyout", folder + "/ca.key", "-out", folder + "/ca.crt", "-addext",
                  "keyUsage=critical,keyCertSign,cRLSign"});
}

Status make_authkey(const std::string& folder) {
  std::array<char, 256> key{};
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return errno_error("getrandom");
  const std::string path = folder + "/authkey";
  const Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400));
  if (!file.valid()) return errno_error("write " + path);
  return write_all(file.get(), std::string_view(key.data(), key.size()));
}

Status make_certificate(const std::string& folder, const std::string& name, const std::string& alternatives) {
  const std::string cert = fmt::format("{}/{}.crt", folder, name);
  if (::access(cert.c_str(), R_OK) == 0) return {};
  return openssl({"-subj", "/CN=" + name, "-CA", folder + "/ca.crt", "-CAkey", folder + "/ca.key", "-keyout",
                  fmt::format("{}/{}.key", folder, name), "-out", cert, "-addext", "subjectAltName=" + alternatives, "-addext",
                  "extendedKeyUsage=serverAuth", "-addext", "basicConstraints=critical,CA:FALSE"});
}

}  // namespace fairlead::lab
