/* Names for the words of C structures, and which of them are borrowed. */
#include "cpython/fields.h"

#include "cpython/layout.h"

#include <stdlib.h>
#include <string.h>

/* `fields` names one word after another, from the one behind the head of the object. "." is a word without a
 * name, "@56" goes on at this offset (of a default build), "!x" or "!" is a pointer that the object does not own,
 * and "|" at the end says that all words that are not named here are no references: numbers, buffers, stale
 * pointers. A structure that changed between versions is told apart by its size. Sorted by name. */
static const struct type_fields types[] = {
    {"CArgObject", 0, "@48 _obj |"},
    {"Context", 0, "_previous _vars"},
    {"ContextVar", 0, "name default !cached"},
    {"Interpolation", 0, "value expression conversion format_spec"},
    {"PyCapsule", 0, "|"},
    {"StgDict", 192, "@96 _type_ @128 argtypes converters restype checker"},
    {"TaskStepMethWrapper", 0, "__self__ arg"},
    {"Token", 0, "_context var old_value"},
    {"_abc._abc_data", 0, "_abc_registry _abc_cache _abc_negative_cache"},
    {"_asyncio.Future", 144,
     "_loop _callback0 _context0 _callbacks _exception _result _source_traceback _cancel_message"},
    {"_asyncio.Future", 0,
     "_loop _callback0 _context0 _callbacks _exception _exception_tb _result _source_traceback _cancel_message"},
    {"_asyncio.FutureIter", 0, "_future"},
    {"_asyncio.Task", 144, "@112 _fut_waiter _coro _name _context"},
    {"_asyncio.Task", 168, "@120 _fut_waiter _coro _name _context"},
    {"_asyncio.Task", 176, "@128 _fut_waiter _coro _name _context"},
    {"_asyncio.Task", 184, "@144 _fut_waiter _coro _name _context"},
    {"_asyncio.Task", 192, "@152 _fut_waiter _coro _name _context"},
    {"_asyncio.TaskStepMethWrapper", 0, "__self__ arg"},
    {"_collections._deque_iterator", 0, "@32 deque |"},
    {"_collections._deque_reverse_iterator", 0, "@32 deque |"},
    {"_collections._tuplegetter", 0, ". __doc__"},
    {"_contextvars.Context", 0, "_previous _vars"},
    {"_contextvars.ContextVar", 0, "name default !cached"},
    {"_contextvars.Token", 0, "_context var old_value"},
    {"_csv.Dialect", 0, "@40 lineterminator"},
    {"_csv.reader", 0, "input_iter dialect fields"},
    {"_csv.writer", 0, "write dialect @64 error"},
    {"_ctypes.CArgObject", 64, "@48 _obj |"},
    {"_ctypes.CArgObject", 80, "@64 _obj |"},
    {"_ctypes.CField", 72, "@40 _type_"},
    {"_ctypes.CFuncPtr", 160,
     "@96 _thunk _callable _converters argtypes restype _checker errcheck @152 paramflags |"},
    {"_ctypes.CThunkObject", 0, "@80 _converters _callable restype |"},
    {"_ctypes.DictRemover", 0, "key dict"},
    {"_ctypes.PyCFuncPtr", 160,
     "@96 _thunk _callable _converters argtypes restype _checker errcheck @152 paramflags |"},
    {"_ctypes._CData", 96, "@32 _b_base_ @64 _objects |"},
    {"_elementtree._element_iterator", 0, "@40 root_element sought_tag |"},
    {"_functools.KeyWrapper", 0, "cmp obj"},
    {"_io.BufferedRWPair", 0, "reader writer"},
    {"_io.BufferedRandom", 0, "raw"},
    {"_io.BufferedReader", 0, "raw"},
    {"_io.BufferedWriter", 0, "raw"},
    {"_io.BytesIO", 0, "buf"},
    {"_io.IncrementalNewlineDecoder", 0, "decoder errors"},
    {"_io.StringIO", 120, "@80 decoder readnl"},
    {"_io.StringIO", 168, "@128 decoder readnl"},
    {"_io.TextIOWrapper", 0,
     "@32 buffer encoding encoder decoder readnl errors @120 decoded_chars @136 pending_bytes @152 snapshot"},
    {"_io._BytesIOBuffer", 0, "source"},
    {"_json.Encoder", 0, "markers default encoder indent key_separator item_separator"},
    {"_lsprof.Profiler", 0, "@48 timer"},
    {"_pickle.Pickler", 144, "@32 dispatch_table reducer_override write output_buffer @136 buffer_callback"},
    {"_pickle.Pickler", 152, "@40 dispatch_table reducer_override write output_buffer @144 buffer_callback"},
    {"_pickle.PicklerMemoProxy", 0, "pickler"},
    {"_pickle.Unpickler", 264, "stack @176 read readinto readline peek buffers"},
    {"_pickle.Unpickler", 272, "stack @184 read readinto readline peek buffers"},
    {"_pickle.Unpickler", 280, "stack @184 read readinto readline peek buffers"},
    {"_pickle.Unpickler", 296, "stack @200 read readinto readline peek buffers"},
    {"_pickle.Unpickler", 304, "stack @208 read readinto readline peek buffers"},
    {"_pickle.UnpicklerMemoProxy", 0, "unpickler"},
    {"_queue.SimpleQueue", 56, "@32 items"},
    {"_queue.SimpleQueue", 72, "|"},
    {"_random.Random", 0, "|"},
    {"_sre.SRE_Scanner", 0, "pattern"},
    {"_ssl._SSLContext", 0, "@40 sni_callback"},
    {"_ssl._SSLSocket", 0, "socket . context . owner server_hostname"},
    {"_struct.Struct", 0, "@40 format"},
    {"_struct.unpack_iterator", 0, "struct . buffer |"},
    {"_thread._local", 56, "args kwargs . dummies watchdogs"},
    {"_thread._local", 64, "key args kwargs . dummies callback"},
    {"_thread._localdummy", 32, "!localdict"},
    {"array.arrayiterator", 0, ". array |"},
    {"arrayiterator", 0, ". array |"},
    {"async_generator_asend", 0, "ag_gen value"},
    {"async_generator_athrow", 0, "ag_gen args"},
    {"builtin_function_or_method", 0, ". __self__ __module__"},
    {"builtin_method", 0, ". __self__ __module__ @56 __objclass__"},
    {"bytearray_iterator", 0, ". sequence"},
    {"bytes_iterator", 0, ". sequence"},
    {"callable_iterator", 0, "callable sentinel"},
    {"classmethod", 0, "__func__"},
    {"classmethod_descriptor", 0, "__objclass__ __name__ __qualname__"},
    {"collections._deque_iterator", 0, "@32 deque |"},
    {"collections._deque_reverse_iterator", 0, "@32 deque |"},
    {"collections._tuplegetter", 0, ". __doc__"},
    {"coroutine_wrapper", 0, "coroutine"},
    {"ctypes.CField", 80, "@40 type @72 name"},
    {"datetime.datetime", 48, "|"}, /* tzinfo is not always there */
    {"datetime.time", 40, "|"},
    {"datetime.timezone", 0, "offset name"},
    {"decimal.Context", 0, "@64 traps flags |"},
    {"decimal.ContextManager", 0, "local global"},
    {"decimal.Decimal", 0, "|"},
    {"dict_itemiterator", 0, "dict . . result |"},
    {"dict_items", 0, "mapping"},
    {"dict_keyiterator", 0, "dict . . result |"},
    {"dict_keys", 0, "mapping"},
    {"dict_reverseitemiterator", 0, "dict . . result |"},
    {"dict_reversekeyiterator", 0, "dict . . result |"},
    {"dict_reversevalueiterator", 0, "dict . . result |"},
    {"dict_valueiterator", 0, "dict . . result |"},
    {"dict_values", 0, "mapping"},
    {"enumerate", 0, ". iterator result index"},
    {"fieldnameiterator", 0, "str |"},
    {"filter", 0, "function iterator"},
    {"formatteriterator", 0, "str |"},
    {"functools.KeyWrapper", 0, "cmp obj"},
    {"functools.partial", 80, "func args keywords @56 !placeholder"},
    {"generic_alias_iterator", 0, "alias"},
    {"getset_descriptor", 0, "__objclass__ __name__ __qualname__"},
    {"hamt", 0, "root"},
    {"iterator", 0, ". sequence"},
    {"itertools._grouper", 0, "groupby key"},
    {"itertools._tee", 0, "data"},
    {"itertools._tee_dataobject", 0, "iterator . next |"},
    {"itertools.accumulate", 0, "total iterator function initial"},
    {"itertools.batched", 0, "iterator"},
    {"itertools.chain", 0, "iterators active"},
    {"itertools.combinations", 0, "pool . result |"},
    {"itertools.combinations_with_replacement", 0, "pool . result |"},
    {"itertools.compress", 0, "data selectors"},
    {"itertools.count", 0, ". count step"},
    {"itertools.cycle", 0, "iterator saved"},
    {"itertools.dropwhile", 0, "function iterator"},
    {"itertools.filterfalse", 0, "function iterator"},
    {"itertools.groupby", 0, "iterator key_function target_key key value !group"},
    {"itertools.islice", 0, "iterator"},
    {"itertools.pairwise", 0, "iterator old result"},
    {"itertools.permutations", 0, "pool . . result |"},
    {"itertools.product", 0, "pools . result |"},
    {"itertools.repeat", 0, "element"},
    {"itertools.starmap", 0, "function iterator"},
    {"itertools.takewhile", 0, "function iterator"},
    {"itertools.tee", 0, "data"},
    {"itertools.zip_longest", 0, "@32 iterators result fillvalue"},
    {"list_iterator", 0, ". sequence"},
    {"list_reverseiterator", 0, ". sequence"},
    {"map", 0, "iterators function"},
    {"mappingproxy", 0, "mapping"},
    {"member_descriptor", 0, "__objclass__ __name__ __qualname__"},
    {"memory_iterator", 0, ". sequence"},
    {"method-wrapper", 0, "descriptor __self__"},
    {"method_descriptor", 0, "__objclass__ __name__ __qualname__"},
    {"odict_items", 0, "mapping"},
    {"odict_iterator", 0, ". mapping . . current result |"},
    {"odict_keys", 0, "mapping"},
    {"odict_values", 0, "mapping"},
    {"operator.attrgetter", 0, ". attributes"},
    {"operator.itemgetter", 0, ". items"},
    {"operator.methodcaller", 0, "name args kwargs"},
    {"posix.DirEntry", 0, "name path stat lstat"},
    {"property", 0, "fget fset fdel __doc__ __name__"},
    {"pyexpat.xmlparser", 72, "@56 intern |"},
    {"pyexpat.xmlparser", 80, "@64 intern |"},
    {"pyexpat.xmlparser", 88, "@72 intern |"},
    {"re.Match", 0, ". string regs re |"},
    {"re.Pattern", 0, "@32 groupindex indexgroup pattern |"},
    {"reversed", 0, ". sequence"},
    {"set_iterator", 0, "set |"},
    {"sqlite3.Blob", 0, "connection"},
    {"sqlite3.Cache", 0, "@24 mapping |"},
    {"sqlite3.Connection", 208,
     "@72 statement_cache blobs row_factory text_factory @128 ! ! ! ! ! ! ! ! ! ! |"},
    {"sqlite3.Connection", 216,
     "@64 statement_cache cursors blobs @96 row_factory text_factory @136 ! ! ! ! ! ! ! ! ! ! |"},
    {"sqlite3.Connection", 224,
     "@72 statement_cache cursors blobs @104 row_factory text_factory @144 ! ! ! ! ! ! ! ! ! ! |"},
    {"sqlite3.Connection", 240,
     "@48 isolation_level @80 statement_cache statements cursors @112 row_factory text_factory trace_callback "
     "progress_handler authorizer collations ! ! ! ! ! ! ! ! ! ! |"},
    {"sqlite3.Cursor", 104,
     "@16 connection description row_cast_map @48 lastrowid @64 row_factory statement"},
    {"sqlite3.Cursor", 112,
     "@16 connection description row_cast_map @48 lastrowid @64 row_factory statement @96 next_row"},
    {"sqlite3.Node", 0, "key data |"},
    {"sqlite3.Row", 0, "data description"},
    {"sqlite3Cache", 0, "@24 mapping |"},
    {"sqlite3Node", 0, "key data |"},
    {"staticmethod", 0, "__func__"},
    {"str_ascii_iterator", 0, ". sequence"},
    {"str_iterator", 0, ". sequence"},
    {"tuple_iterator", 0, ". sequence"},
    {"types.GenericAlias", 0, "__origin__ __args__ __parameters__"},
    {"types.UnionType", 0, "__args__ __parameters__"},
    {"typing.ParamSpec", 40, "__name__ __bound__"},
    {"typing.ParamSpec", 56, "__name__ __bound__ __default__ evaluate_default"},
    {"typing.TypeAliasType", 56, "__name__ __type_params__ evaluate_value __value__ __module__"},
    {"typing.TypeAliasType", 64, "__name__ __qualname__ __type_params__ evaluate_value __value__ __module__"},
    {"typing.TypeVar", 0, "__name__ __bound__ evaluate_bound __constraints__ evaluate_constraints"},
    {"typing.TypeVarTuple", 0, "__name__"},
    {"typing.Union", 0, "__args__ hashable_args unhashable_args __parameters__"},
    {"wrapper_descriptor", 0, "__objclass__ __name__ __qualname__"},
    {"xml.etree.ElementTree.TreeBuilder", 0,
     "root this last last_for_tail data stack . element_factory comment_factory pi_factory"},
    {"xml.etree.ElementTree.XMLParser", 0,
     ". target entity names start_ns end_ns start data end comment pi doctype close"},
    {"zip", 0, ". iterators result"},
    {"zoneinfo.ZoneInfo", 208,
     "key file_name @96 standard_utcoff standard_dstoff standard_tzname @128 dst_utcoff dst_dstoff dst_tzname |"},
};

static int compare_name(const void *key, const void *element) {
    return strcmp(key, ((const struct type_fields *)element)->name);
}

/* The structures of one type lie together; the size that fits any is the last. */
const struct type_fields *fields_find(const char *name, uint32_t basic_size) {
    size_t count = sizeof types / sizeof *types;
    const struct type_fields *found = bsearch(name, types, count, sizeof *types, compare_name);
    while (found && found > types && strcmp(found[-1].name, name) == 0)
        found--;
    for (; found && found < types + count && strcmp(found->name, name) == 0; found++)
        if (!found->basic_size || found->basic_size == basic_size)
            return found;
    return NULL;
}

struct field_reader fields_begin(const struct type_fields *type) {
    return (struct field_reader){.rest = type->fields, .next = OBJECT_HEAD};
}

bool fields_next(struct field_reader *reader) {
    for (;;) {
        reader->rest += strspn(reader->rest, " ");
        size_t length = strcspn(reader->rest, " ");
        const char *word = reader->rest;
        reader->rest += length;
        if (!length)
            return false;
        if (*word == '|') {
            reader->exact = true;
        } else if (*word == '@') {
            reader->next = (uint32_t)strtoul(word + 1, NULL, 10);
        } else {
            reader->offset = reader->next;
            reader->next += 8;
            reader->borrowed = *word == '!';
            reader->name = word + reader->borrowed;
            reader->length = (uint32_t)(length - reader->borrowed);
            if (*word != '.')
                return true;
        }
    }
}
