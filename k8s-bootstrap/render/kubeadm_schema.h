// fairlead: pure
// The fields of kubeadm's documents, as kubeadm decodes them: names, types of values, words that are allowed. Facts of the public API
// references (kubeadm v1beta4 and v1beta3, kubelet v1beta1, kube-proxy v1alpha1) as of Kubernetes 1.36.
//
// One schema per apiVersion, not per release: a field that came with a later release of it than the site's (httpEndpoints, 1.35;
// ECDSA-P384, 1.34) passes here and is found by `kubeadm config validate`.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace fairlead::bootstrap::kube {

struct Shape;

/// What is wrong with a text, or empty. Rules may assume that it is not empty, and let placeholders ("${join-token}") pass.
using Rule = std::string (*)(std::string_view);

struct FieldType {
  enum class Form : std::uint8_t { kText, kFlag, kInteger, kNumber, kDuration, kQuantity, kAny, kList, kMap, kObject };
  Form form = Form::kText;
  std::int64_t min = 0;  ///< kInteger
  std::int64_t max = 0;
  std::vector<std::string_view> words;       ///< kText: the only ones; empty: any text.
  Rule rule = nullptr;                       ///< kText
  std::shared_ptr<const FieldType> element;  ///< kList, kMap
  const Shape* shape = nullptr;              ///< kObject
};

struct SchemaField {
  std::string_view name;
  FieldType type;
  bool required = false;
};

/// Fields of which only one may be there.
struct Exclusive {
  std::string_view one;
  std::string_view other;
};

struct Shape {
  std::vector<SchemaField> fields;
  std::vector<Exclusive> exclusive;

  [[nodiscard]] const SchemaField* find(std::string_view name) const;
};

struct DocumentType {
  std::string_view api_version;
  std::string_view kind;
  const Shape* shape;
};
[[nodiscard]] const std::vector<DocumentType>& document_types();

// ---- for the tables ----
[[nodiscard]] FieldType text(Rule rule = nullptr);
[[nodiscard]] FieldType word(std::vector<std::string_view> words);
[[nodiscard]] FieldType flag();
[[nodiscard]] FieldType integer(std::int64_t min, std::int64_t max);
[[nodiscard]] FieldType int32();
[[nodiscard]] FieldType int64();
[[nodiscard]] FieldType number();
[[nodiscard]] FieldType duration();
[[nodiscard]] FieldType quantity();
[[nodiscard]] FieldType any();
[[nodiscard]] FieldType list(FieldType element);
[[nodiscard]] FieldType map(FieldType element);
[[nodiscard]] FieldType object(const Shape& shape);

[[nodiscard]] const Shape& kubelet_configuration();
[[nodiscard]] const Shape& kube_proxy_configuration();
/// core/v1: key, value, effect, timeAdded.
[[nodiscard]] const Shape& taint();

}  // namespace fairlead::bootstrap::kube
