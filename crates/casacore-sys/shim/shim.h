// The C interface of casacore-sys. Rust declares the same functions in src/lib.rs; keep the two side by side.
//
// Every function that can fail returns a cct_error that the caller frees, or NULL for success. No C++ exception leaves
// a function declared here. Strings are a pointer and a length, not terminated. Shapes are in casacore's order (first
// axis fastest). A structured value crosses in one call as bytes; record.cc defines their layout.
#ifndef CONTIMG_CASACORE_SHIM_H
#define CONTIMG_CASACORE_SHIM_H

#include <cstddef>
#include <cstdint>

extern "C" {

typedef struct cct_error cct_error;
typedef struct cct_buffer cct_buffer;
typedef struct cct_table cct_table;

// The class of an error: what a caller can act on.
enum cct_class {
    CCT_OTHER = 0,
    CCT_NO_TABLE = 1,
    CCT_NO_COLUMN = 2,
    CCT_TYPE = 3,
    CCT_ROW_RANGE = 4,
    CCT_LOCKED = 5,
    CCT_IO = 6,
    CCT_SHAPE = 7,
    CCT_UNDEFINED = 8,
    CCT_EXISTS = 9,
    CCT_READ_ONLY = 10,
    CCT_NO_KEYWORD = 11,
    CCT_MEMORY = 12,
    CCT_ARGUMENT = 13
};

int32_t cct_error_class(const cct_error* error);
// The row that the error is about, or UINT64_MAX.
uint64_t cct_error_row(const cct_error* error);
const char* cct_error_message(const cct_error* error, size_t* length);
void cct_error_free(cct_error* error);

const uint8_t* cct_buffer_data(const cct_buffer* buffer, size_t* length);
void cct_buffer_free(cct_buffer* buffer);

// Which rows: `count` consecutive ones from `first`, or the `count` ones of `list` when that is not NULL.
typedef struct cct_rows {
    uint64_t first;
    uint64_t count;
    const uint64_t* list;
} cct_rows;

// Which part of each cell: all of it when `ndim` is 0.
typedef struct cct_slice {
    size_t ndim;
    const int64_t* start;
    const int64_t* length;
    const int64_t* step;
} cct_slice;

// With `holes` the files of tiled columns that are made or added through the handle are extended without writing their tiles.
cct_error* cct_table_open(const char* path, size_t path_len, int32_t writable, int32_t holes, int32_t lock,
                          cct_table** out);
cct_error* cct_table_create(const char* path, size_t path_len, const uint8_t* layout, size_t layout_len,
                            uint64_t rows, int32_t little_endian, int32_t holes, int32_t lock, cct_table** out);
// Flushes and closes. When the flush fails the table is left open (casacore's destructor would abort the process) and
// the handle is gone all the same.
cct_error* cct_table_close(cct_table* table);
// Frees the handle without closing the table: for one whose writing has failed.
void cct_table_abandon(cct_table* table);
cct_error* cct_table_flush(cct_table* table, int32_t fsync);
cct_error* cct_table_lock(cct_table* table, int32_t write, int32_t* locked);
cct_error* cct_table_unlock(cct_table* table);
cct_error* cct_table_has_lock(cct_table* table, int32_t write, int32_t* locked);
cct_error* cct_table_resync(cct_table* table);
cct_error* cct_table_rows(cct_table* table, uint64_t* rows);
cct_error* cct_table_add_rows(cct_table* table, uint64_t count);
cct_error* cct_table_remove_rows(cct_table* table, const uint64_t* rows, size_t count);
cct_error* cct_table_add_columns(cct_table* table, const uint8_t* layout, size_t layout_len);
cct_error* cct_table_remove_column(cct_table* table, const char* name, size_t name_len);
// A record: rows, writable, byte order, type and free text, columns, data managers.
cct_error* cct_table_describe(cct_table* table, cct_buffer** out);
// The record of one of its columns.
cct_error* cct_column_describe(cct_table* table, const char* column, size_t column_len, cct_buffer** out);
cct_error* cct_table_put_info(cct_table* table, const char* type, size_t type_len, const char* subtype,
                              size_t subtype_len, const char* readme, size_t readme_len);

// Keywords of the table (column_len 0) or of one column.
cct_error* cct_keywords_get(cct_table* table, const char* column, size_t column_len, cct_buffer** out);
cct_error* cct_keyword_put(cct_table* table, const char* column, size_t column_len, const uint8_t* record,
                           size_t record_len);
cct_error* cct_keyword_remove(cct_table* table, const char* column, size_t column_len, const char* name,
                              size_t name_len);

// Values of a column: `elements` of casacore's data type `type` (its number), all cells of one shape.
cct_error* cct_column_get(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                          const cct_slice* slice, int32_t type, void* values, size_t elements);
cct_error* cct_column_put(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                          const cct_slice* slice, int32_t type, const void* values, size_t elements);
// The same for strings: each is a u32 length and its bytes.
cct_error* cct_column_get_strings(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  const cct_slice* slice, cct_buffer** out);
cct_error* cct_column_get_records(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  cct_buffer** out);
cct_error* cct_column_put_strings(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                  const uint8_t* strings, size_t strings_len, size_t elements);
// Per row an i64 number of axes (-1: undefined) and as many i64 lengths.
cct_error* cct_column_shapes(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                             cct_buffer** out);
// Cells of differing shapes one after another; undefined cells take no space. `shapes` is what cct_column_shapes gives.
cct_error* cct_column_get_ragged(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                 int32_t type, void* values, size_t elements);
cct_error* cct_column_put_ragged(cct_table* table, const char* column, size_t column_len, const cct_rows* rows,
                                 const int64_t* shapes, size_t shapes_len, int32_t type, const void* values,
                                 size_t elements);
cct_error* cct_column_get_ragged_strings(cct_table* table, const char* column, size_t column_len,
                                         const cct_rows* rows, cct_buffer** out);
cct_error* cct_column_put_ragged_strings(cct_table* table, const char* column, size_t column_len,
                                         const cct_rows* rows, const int64_t* shapes, size_t shapes_len,
                                         const uint8_t* strings, size_t strings_len);

}  // extern "C"

#endif
