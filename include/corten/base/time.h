// Points in time as text.
#pragma once

#include <string>

namespace corten {

enum class Precision { Microseconds, Nanoseconds };

// The present in UTC as RFC 3339 has it, "2006-01-02T15:04:05.000000Z". Reads no time zone file,
// which gmtime_r(3) does: inside a container it would be the container's.
std::string timestamp_now(Precision precision);

}  // namespace corten
