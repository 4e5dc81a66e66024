// nlohmann_json with assertions that throw: an answer of a runtime that lacks what a case looks for
// fails that case and not the whole run.
#pragma once

#include <stdexcept>
#include <string>

#ifdef INCLUDE_NLOHMANN_JSON_HPP_
#error "include json.h before nlohmann/json.hpp"
#endif

namespace spec {
inline void require_json(bool holds, const char* condition) {
  if (!holds) throw std::logic_error(std::string("missing in a JSON document: ") + condition);
}
}  // namespace spec

#define JSON_ASSERT(condition) ::spec::require_json(static_cast<bool>(condition), #condition)
#include <nlohmann/json.hpp>
