#include <chrono>

#include <fmt/format.h>

#include <corten/base/time.h>

namespace corten {

std::string timestamp_now(Precision precision) {
  using namespace std::chrono;
  const sys_time<nanoseconds> now(system_clock::now());
  const auto midnight = floor<days>(now);
  const year_month_day date(midnight);
  const hh_mm_ss time(now - midnight);
  const int64_t nanosecond = time.subseconds().count();
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:0{}}Z",
                     static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()),
                     static_cast<unsigned>(date.day()),
                     time.hours().count(),
                     time.minutes().count(),
                     time.seconds().count(),
                     precision == Precision::Nanoseconds ? nanosecond : nanosecond / 1000,
                     precision == Precision::Nanoseconds ? 9 : 6);
}

}  // namespace corten
