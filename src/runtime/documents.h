// State documents from plans and records: what hooks read and what `state` prints.
#pragma once

#include <string>

#include "record.h"
#include <corten/plan/plan.h>
#include <corten/spec/parse.h>
#include <corten/spec/state.h>

namespace corten::runtime {

inline constexpr std::string_view kStateOciVersion = spec::kOciVersionMax;

// For a hook's stdin. pid: as the hook's namespace sees it; 0 = left out.
std::string hook_state(const plan::Plan& plan, spec::Status status, int pid);
std::string hook_state(const Record& record, spec::Status status, int pid);

// For `state` and `list`.
spec::State state_document(const Record& record, spec::Status status);

}  // namespace corten::runtime
