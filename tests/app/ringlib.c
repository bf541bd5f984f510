/* A C extension whose objects keep what they hold behind pointers: an array, a chain and a buffer. */
#include <Python.h>

struct entry {
    struct entry *next;
    PyObject *value;
};

struct ring {
    PyObject_HEAD
    PyObject *owner;
    PyObject **slots;
    size_t slot_count;
    struct entry *pending;
    double *samples;
    size_t sample_count;
    PyObject *parent; /* not counted */
};

/* Ring(owner, slots, pending, samples, parent) */
static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *owner, *slots, *pending, *parent;
    Py_ssize_t samples;
    if (!PyArg_ParseTuple(args, "OO!O!nO", &owner, &PyList_Type, &slots, &PyList_Type, &pending, &samples, &parent))
        return NULL;
    struct ring *ring = (struct ring *)type->tp_alloc(type, 0);
    if (!ring)
        return NULL;
    Py_INCREF(owner);
    ring->owner = owner;
    ring->parent = parent;
    ring->slot_count = (size_t)PyList_GET_SIZE(slots);
    ring->slots = malloc(ring->slot_count * sizeof *ring->slots);
    for (size_t i = 0; i < ring->slot_count; i++) {
        ring->slots[i] = PyList_GET_ITEM(slots, i);
        Py_INCREF(ring->slots[i]);
    }
    for (Py_ssize_t i = PyList_GET_SIZE(pending); i-- > 0;) {
        struct entry *entry = malloc(sizeof *entry);
        *entry = (struct entry){ring->pending, PyList_GET_ITEM(pending, i)};
        Py_INCREF(entry->value);
        ring->pending = entry;
    }
    ring->sample_count = (size_t)samples;
    ring->samples = calloc(ring->sample_count, sizeof *ring->samples);
    return (PyObject *)ring;
}

static PyType_Slot slots[] = {{Py_tp_new, ring_new}, {0, NULL}};
static PyType_Spec specification = {"ringlib.Ring", sizeof(struct ring), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "ringlib", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_ringlib(void) {
    PyObject *module = PyModule_Create(&definition);
    PyModule_AddObject(module, "Ring", PyType_FromSpec(&specification));
    return module;
}
