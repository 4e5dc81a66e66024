#include "problems.h"

#include <algorithm>
#include <utility>

#include <corten/base/strings.h>

namespace corten::spec {

namespace {

// Names in a pointer come from the file: what could forge a line or drive a terminal is escaped.
std::string describe(const Problem& problem) {
  std::string text;
  if (problem.line != 0) text += "line " + std::to_string(problem.line) + ": ";
  if (!problem.pointer.empty()) text += printable(problem.pointer) + ": ";
  return text + problem.message;
}

}  // namespace

void Problems::add(std::string pointer, std::string message, std::size_t line) {
  ++total_;
  if (wants_more()) kept_.push_back({std::move(pointer), std::move(message), line});
}

Error Problems::to_error(std::string_view document) const {
  constexpr std::size_t kMaxShown = 10;
  std::string text(document);
  if (!text.empty()) text += kept_.front().line != 0 ? " " : ": ";
  text += describe(kept_.front());
  if (total_ > 1) text += "; and " + std::to_string(total_ - 1) + " more: ";
  const std::size_t shown = std::min(kept_.size(), kMaxShown);
  for (std::size_t i = 1; i < shown; ++i) {
    if (i > 1) text += "; ";
    text += describe(kept_[i]);
  }
  if (total_ > shown) text += "; ...";
  return Error(ErrorKind::InvalidSpec, std::move(text)).with_pointer(kept_.front().pointer);
}

}  // namespace corten::spec
