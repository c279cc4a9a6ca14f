// What the result store knows of its files: names, sizes, ages; what expires and what goes first
// when room is needed. Pure: the bytes and the folder are the store's.
// Fails with: too_many, when everything that is kept is too young to go.
#pragma once

#include "base/asio.hpp"
#include "base/error.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rivulet::batch {

class result_index {
  public:
    // A client has this long to fetch a result, however full the store is.
    static constexpr duration safe_age = std::chrono::seconds(60);

    result_index(std::uint64_t bytes, duration keep) : most_(bytes), keep_(keep) {}

    // Names that had to go so that `size` more bytes fit.
    outcome<std::vector<std::string>> make_room(std::uint64_t size, time_point now);
    // Its bytes, if they are kept in memory. It can't be found before ready().
    void
    add(std::string name,
        std::uint64_t size,
        time_point created,
        std::shared_ptr<const std::string> bytes = {});
    void ready(std::string_view name);
    void remove(std::string_view name);
    // What is past its time, removed.
    std::vector<std::string> expire(time_point now);

    struct found {
        std::uint64_t size = 0;
        time_point expires;
        std::shared_ptr<const std::string> bytes;

        found() {}
    };

    // Null when there is none, or no more.
    std::unique_ptr<found> find(std::string_view name, time_point now) const;

    std::uint64_t bytes() const { return bytes_; }

    std::size_t files() const { return files_.size(); }

  private:
    struct file {
        std::uint64_t size = 0;
        time_point created;
        std::shared_ptr<const std::string> bytes;
        bool ready = false;

        file() {}
    };

    using by_name = std::map<std::string, file, std::less<>>;

    by_name::iterator drop(by_name::iterator at);

    const std::uint64_t most_;
    const duration keep_;
    by_name files_;
    std::multimap<time_point, std::string> by_age_;
    std::uint64_t bytes_ = 0;
};

} // namespace rivulet::batch
