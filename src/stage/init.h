// init: builds the container from the inside, waits for `start`, becomes the user's program.
#pragma once

#include <corten/stage/stage.h>

namespace corten::stage {

[[noreturn]] void init_main(CreateInput& input) noexcept;

}  // namespace corten::stage
