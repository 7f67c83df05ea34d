//! Values of Python's as arguments, and replies as values of Python's.

use pentad::{ErrorReply, RespValue};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMemoryView, PySet,
    PyString, PyTuple,
};

use crate::ReplyError;

/// An argument as the bytes that a client would send.
pub fn bytes_of(value: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        Ok(bytes.as_bytes().to_vec())
    } else if value.is_instance_of::<PyString>() {
        Ok(value.extract::<String>()?.into_bytes())
    } else if value.is_instance_of::<PyBool>() {
        // Would it be 1, or true, or True? Who writes it should say.
        Err(PyTypeError::new_err(
            "a bool is no argument: say 1, or \"true\"",
        ))
    } else if value.is_instance_of::<PyInt>() || value.is_instance_of::<PyFloat>() {
        Ok(value.repr()?.extract::<String>()?.into_bytes())
    } else if value.is_instance_of::<PyByteArray>() || value.is_instance_of::<PyMemoryView>() {
        let bytes = value.py().get_type::<PyBytes>().call1((value,))?;
        Ok(bytes.cast::<PyBytes>()?.as_bytes().to_vec())
    } else {
        let kind = value.get_type().name()?;
        Err(PyTypeError::new_err(format!(
            "an argument is bytes, str, int or float, not {kind}"
        )))
    }
}

/// A reply as Python has it.
pub fn to_python<'py>(py: Python<'py>, value: &RespValue) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        RespValue::Array(items) | RespValue::Push(items) => {
            let items = items.iter().map(|item| to_python(py, item));
            PyList::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        RespValue::Set(items) => {
            let items = items.iter().map(|item| hashable(py, item));
            PySet::new(py, items.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        RespValue::Map(pairs) => {
            let map = PyDict::new(py);
            for (key, value) in pairs {
                map.set_item(hashable(py, key)?, to_python(py, value)?)?;
            }
            map.into_any()
        }
        simple => scalar(py, simple)?,
    })
}

/// The same, fit to be a key of a dict or a member of a set.
fn hashable<'py>(py: Python<'py>, value: &RespValue) -> PyResult<Bound<'py, PyAny>> {
    let all = |items: &[RespValue]| -> PyResult<Vec<_>> {
        items.iter().map(|item| hashable(py, item)).collect()
    };
    Ok(match value {
        RespValue::Array(items) | RespValue::Push(items) => {
            PyTuple::new(py, all(items)?)?.into_any()
        }
        RespValue::Set(items) => PyFrozenSet::new(py, all(items)?)?.into_any(),
        RespValue::Map(pairs) => {
            let pairs = pairs
                .iter()
                .map(|(key, value)| PyTuple::new(py, [hashable(py, key)?, hashable(py, value)?]));
            PyTuple::new(py, pairs.collect::<PyResult<Vec<_>>>()?)?.into_any()
        }
        simple => scalar(py, simple)?,
    })
}

fn scalar<'py>(py: Python<'py>, value: &RespValue) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        RespValue::Simple(text) | RespValue::Verbatim(text) => PyString::new(py, text).into_any(),
        RespValue::Bulk(bytes) => PyBytes::new(py, bytes).into_any(),
        RespValue::Integer(value) => value.into_pyobject(py)?.into_any(),
        RespValue::Double(value) => PyFloat::new(py, *value).into_any(),
        RespValue::Boolean(value) => PyBool::new(py, *value).to_owned().into_any(),
        RespValue::BigNumber(text) => py.get_type::<PyInt>().call1((text,))?,
        // One within a reply is a value: what is around it counts, too.
        RespValue::Error(error) => reply_error(py, error)
            .into_value(py)
            .into_bound(py)
            .into_any(),
        _ => py.None().into_bound(py),
    })
}

/// An error reply as an exception.
pub fn reply_error(py: Python<'_>, error: &ErrorReply) -> PyErr {
    let exception = ReplyError::new_err(error.text().to_owned());
    match exception.value(py).setattr("code", error.code()) {
        Ok(()) => exception,
        Err(failed) => failed,
    }
}
