// fairlead: pure
#include "k8s-bootstrap/apply/secret_box.h"

#include <algorithm>
#include <boost/json.hpp>
#include <fmt/format.h>
#include <vector>

#include "base/overloaded.h"
#include "config/document.h"

namespace fairlead::bootstrap {
namespace {

constexpr std::string_view kMask = "********";

/// RFC 4648 section 4.
std::string base64(std::string_view bytes) {
  static constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t n = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 3; ++k) three = (three << 8U) | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k) text += k <= n ? kLetters[(three >> (18U - 6U * k)) & 63U] : '=';
  }
  return text;
}

void replace_all(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + kMask.size())) {
    text.replace(at, what.size(), kMask);
  }
}

}  // namespace

void SecretBox::give(std::string_view placeholder, std::string value) {
  hide(value);
  values_.insert_or_assign(std::string(placeholder), std::move(value));
}

void SecretBox::hide(std::string value) {
  if (value.size() < kMaskedBytesMin) return;
  hidden_.insert(base64(value));
  // As it stands in a text in quotes: of YAML, of JSON. Where nothing has to be escaped there they are the value itself.
  for (const std::string& quoted : {config::render_flow(config::text_node(value)), boost::json::serialize(value)}) {
    if (quoted.size() > 2 && quoted.front() == '"' && quoted.back() == '"') hidden_.insert(quoted.substr(1, quoted.size() - 2));
  }
  hidden_.insert(std::move(value));
}

Result<std::string> SecretBox::fill(std::string_view text) const {
  std::string filled;
  while (!text.empty()) {
    const std::size_t begin = text.find("${");
    const std::size_t end = begin == std::string_view::npos ? begin : text.find('}', begin);
    if (end == std::string_view::npos) break;
    const std::string_view name = text.substr(begin + 2, end - begin - 2);
    if (std::find(kPlaceholders.begin(), kPlaceholders.end(), name) == kPlaceholders.end()) {
      filled += text.substr(0, begin + 2);
      text.remove_prefix(begin + 2);
      continue;
    }
    const auto value = values_.find(name);
    if (value == values_.end())
      return Error{Errc::kNotFound, fmt::format("the value of '{}' is not known: the step that makes it did not run", name)};
    filled += text.substr(0, begin);
    filled += value->second;
    text.remove_prefix(end + 1);
  }
  filled += text;
  return filled;
}

std::string SecretBox::mask(std::string_view text) const {
  // The longest first: one value may be a part of another.
  std::vector<std::string_view> values(hidden_.begin(), hidden_.end());
  std::sort(values.begin(), values.end(), [](auto a, auto b) { return a.size() > b.size(); });
  std::string masked(text);
  for (const std::string_view value : values) replace_all(masked, value);
  return masked;
}

Plan masked(Plan plan, const SecretBox& secrets) {
  const auto mask = [&secrets](std::string& text) { text = secrets.mask(text); };
  const auto mask_all = [&mask](std::vector<std::string>& texts) {
    for (std::string& text : texts) mask(text);
  };
  for (Step& step : plan.steps) {
    mask(step.title);
    mask(step.because);
    for (Operation& operation : step.operations) {
      std::visit(Overloaded{[&](WriteFile& file) { mask(file.text); }, [](CopyFile&) {}, [](FetchFile&) {},
                            [&](RunScript& script) {
                              mask(script.script);
                              mask(script.input);
                            },
                            [&](WaitFor& wait) {
                              mask(wait.what);
                              mask(wait.script);
                            },
                            [&](LocalWork& work) { mask_all(work.argv); }},
                 operation);
    }
  }
  for (Obstacle& obstacle : plan.obstacles) {
    mask(obstacle.reason);
    mask(obstacle.remedy);
  }
  mask_all(plan.warnings);
  return plan;
}

}  // namespace fairlead::bootstrap
