#include "live/web_files.hpp"

#include <fmt/core.h>

#include <array>
#include <cstdint>
#include <gio/gio.h>
#include <map>
#include <memory>

// Generated; it is C and does not say so.
extern "C" {
#include "live/web_resource.h"
}

namespace rivulet::live {

namespace {

constexpr const char* folder = "/rivulet/";

template <auto free_one>
struct freed_by {
    template <class T>
    void operator()(T* object) const {
        free_one(object);
    }
};

using object_ptr = std::unique_ptr<GConverter, freed_by<g_object_unref>>;

std::string type_of(std::string_view name) {
    if (name.ends_with(".html"))
        return "text/html; charset=utf-8";
    if (name.ends_with(".css"))
        return "text/css; charset=utf-8";
    if (name.ends_with(".js"))
        return "text/javascript; charset=utf-8";
    if (name.ends_with(".svg"))
        return "image/svg+xml";
    return "application/octet-stream";
}

std::string gzipped(std::string_view text) {
    const object_ptr compressor(G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, 9))
    );
    // More than deflate's worst case needs, so one call does it all.
    std::string out(text.size() + text.size() / 100 + 128, '\0');
    gsize taken = 0, given = 0;
    const auto done = g_converter_convert(
        compressor.get(),
        text.data(),
        text.size(),
        out.data(),
        out.size(),
        G_CONVERTER_INPUT_AT_END,
        &taken,
        &given,
        nullptr
    );
    if (done != G_CONVERTER_FINISHED || taken != text.size() || given >= text.size())
        return {};
    out.resize(given);
    return out;
}

using file_map = std::map<std::string, web_file, std::less<>>;

file_map read_files() {
    file_map files;
    GResource* resource = web_get_resource();
    const std::unique_ptr<char*, freed_by<g_strfreev>> names(
        g_resource_enumerate_children(resource, folder, G_RESOURCE_LOOKUP_FLAGS_NONE, nullptr)
    );
    for (char** name = names.get(); name && *name; ++name) {
        const std::string path = std::string(folder) + *name;
        GBytes* bytes =
            g_resource_lookup_data(resource, path.c_str(), G_RESOURCE_LOOKUP_FLAGS_NONE, nullptr);
        if (!bytes)
            continue;
        gsize size = 0;
        const auto* data = static_cast<const char*>(g_bytes_get_data(bytes, &size));
        web_file file;
        file.text = {data, size};
        file.gzipped = gzipped(file.text);
        file.content_type = type_of(*name);
        file.etag = etag_of(file.text);
        files.emplace(*name, std::move(file));
        // The bytes lie in the binary and stay after this.
        g_bytes_unref(bytes);
    }
    return files;
}

} // namespace

std::string etag_of(std::string_view text) {
    std::uint64_t hash = 14695981039346656037ull; // FNV-1a
    for (unsigned char c : text)
        hash = (hash ^ c) * 1099511628211ull;
    return fmt::format("W/\"{:016x}\"", hash);
}

const web_file* find_web_file(std::string_view name) {
    static const file_map files = read_files();
    const auto found = files.find(name);
    return found == files.end() ? nullptr : &found->second;
}

} // namespace rivulet::live
