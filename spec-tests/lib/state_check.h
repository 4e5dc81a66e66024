// Checks of a State document (runtime.md "State", schema/state-schema.json).
#pragma once

#include <string>

#include "bundle.h"

namespace spec {

// Records a failure for each way in which document is not a valid State of that container. status:
// the value it has to have; empty accepts any of the four.
void expect_valid_state(const Json& document,
                        const std::string& id,
                        const Bundle& bundle,
                        const std::string& status);

bool is_semantic_version(const std::string& text);

}  // namespace spec
