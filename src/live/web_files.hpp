// The files of web/, embedded in the binary: the console page, the player page and what they load.
// Thread: any; read once, then constant.
#pragma once

#include <string>
#include <string_view>

namespace rivulet::live {

struct web_file {
    std::string_view text; // for ever valid
    std::string gzipped;   // the same, compressed; empty when that saves nothing
    std::string content_type;
    std::string etag; // weak: it stands for both forms
};

// By name ("console.js"); null when there is no such file.
const web_file* find_web_file(std::string_view name);

// The weak ETag of a text.
std::string etag_of(std::string_view text);

} // namespace rivulet::live
