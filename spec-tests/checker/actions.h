// Small probes that the checker performs on request inside the container.
#pragma once

#include <string>
#include <vector>

#include "json_out.h"

namespace checker {

// Performs one action, such as {"read", "/etc/x"}, and writes one result object with "ok", "errno"
// and what the action found. An unknown action writes {"ok":false,"errno":22}.
void perform_action(JsonOut& out, const std::vector<std::string>& action);

}  // namespace checker
