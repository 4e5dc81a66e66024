// The list of what is wrong with a document, in the order of discovery, and its form as one Error.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <corten/base/result.h>

namespace corten::spec {

struct Problem {
  std::string pointer;  // RFC 6901
  std::string message;
  std::size_t line = 0;  // 0 = not known
};

class Problems {
 public:
  // More than this many are counted, not kept.
  static constexpr std::size_t kMaxKept = 64;

  // False when the list is full: the caller can save itself the text.
  bool wants_more() const { return kept_.size() < kMaxKept; }
  void add(std::string pointer, std::string message, std::size_t line = 0);
  void count_only() { ++total_; }

  bool empty() const { return total_ == 0; }
  std::vector<Problem>& list() { return kept_; }
  const std::vector<Problem>& list() const { return kept_; }

  // "config.json line 4: /process/cwd: ...; and 2 more: line 9: /root: ...; line 12: ...".
  // document: "" leaves it and the line numbers out. Precondition: not empty.
  Error to_error(std::string_view document) const;

 private:
  std::vector<Problem> kept_;
  std::size_t total_ = 0;
};

}  // namespace corten::spec
