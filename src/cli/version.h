#pragma once

#include <string_view>

namespace corten::cli {

// From the build system.
inline constexpr std::string_view kVersion = CORTEN_VERSION;
inline constexpr std::string_view kCommit = CORTEN_COMMIT;

}  // namespace corten::cli
