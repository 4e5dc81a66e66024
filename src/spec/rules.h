// The rules behind validate.h, one group a topic: each group is an array of functions, each
// function is one rule. A rule notes every violation it finds and never stops the others.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "json_tree.h"
#include "problems.h"
#include <corten/base/flags.h>
#include <corten/base/strings.h>
#include <corten/spec/config.h>
#include <corten/spec/validate.h>

namespace corten::spec {

// The JSON pointer of a property, built while a rule walks to it: nothing is allocated before
// text() is called on failure. Tokens are names that outlive the path, or indexes.
class Path {
 public:
  Path() = default;
  explicit Path(std::string_view prefix) : name_(prefix), is_prefix_(true) {}

  // The parent must outlive the result, so each step has a name.
  Path operator/(std::string_view name) const& { return {this, name}; }
  Path operator/(std::size_t index) const& { return {this, index}; }
  Path operator/(std::string_view name) const&& = delete;
  Path operator/(std::size_t index) const&& = delete;

  std::string text() const {
    std::string text = parent_ != nullptr ? parent_->text() : std::string();
    if (is_prefix_) {
      text += name_;
    } else if (is_index_) {
      text += '/' + std::to_string(index_);
    } else if (parent_ != nullptr) {
      json::append_token(text, name_);
    }
    return text;
  }

 private:
  Path(const Path* parent, std::string_view name) : parent_(parent), name_(name) {}
  Path(const Path* parent, std::size_t index) : parent_(parent), index_(index), is_index_(true) {}

  const Path* parent_ = nullptr;
  std::string_view name_;
  std::size_t index_ = 0;
  bool is_index_ = false;
  bool is_prefix_ = false;
};

// Where a group's rules report to, and where the group's structure is in the document.
struct Report {
  Problems& problems;
  Path at;

  void expected(const Path& path, std::string_view what, std::string_view found) const {
    if (!wants_more()) return;
    problems.add(path.text(),
                 "expected " + std::string(what) + ", found " + quote(found.substr(0, 256)));
  }
  void expected(const Path& path, std::string_view what, std::integral auto found) const {
    if (!wants_more()) return;
    problems.add(path.text(), "expected " + std::string(what) + ", found " + std::to_string(found));
  }
  void broken(const Path& path, std::string_view message) const {
    if (wants_more()) problems.add(path.text(), std::string(message));
  }
  // False when the list is full; the problem is then only counted.
  bool wants_more() const {
    if (!problems.wants_more()) problems.count_only();
    return problems.wants_more();
  }
};

// Notes a value that is not in the table.
template <typename Table>
void check_name(const Table& table,
                std::string_view value,
                const Path& path,
                const Report& report) {
  if (!table.find(value)) report.expected(path, "one of " + table.names(), value);
}

inline bool is_absolute(std::string_view path) { return path.starts_with('/'); }
inline bool has_newline(std::string_view text) { return text.find('\n') != std::string_view::npos; }

// How the container's namespace of a type comes to be. `type` as in kNamespaceTypes.
struct NamespaceUse {
  bool listed = false;  // new or joined: not the runtime's own
  bool joined = false;
};
NamespaceUse find_namespace(const Spec& spec, std::string_view type);

void check_spec(const Spec& spec, const ValidateOptions& options, Problems& problems);
void check_process(const Process& process, std::string_view prefix, Problems& problems);
void check_resources(const Resources& resources, std::string_view prefix, Problems& problems);

// The rules that one mount can break without looking at the rest of the config.
void check_mounts(const std::vector<Mount>& mounts, Problems& problems);

// Groups of check_spec.
void check_config(const Spec& spec, Problems& problems);
void check_hooks(const Hooks& hooks, Problems& problems);
void check_namespaces(const Spec& spec, Problems& problems);
void check_linux(const Linux& linux_, Problems& problems);
void check_seccomp(const Spec& spec, Problems& problems);

}  // namespace corten::spec
